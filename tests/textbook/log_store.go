// Two stores in one append-only log of JSON lines, by the standard library alone: `log_store MODE DIRECTORY` after `go build`.
//
// synced: Right, at level disk: the log is synced before every answer.
// unsynced: Wrong at level disk: nothing is ever synced. Refused by survives-power-loss.
//
// One goroutine: requests are answered one after another, so there is nothing to lock.
package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

type key struct {
	Queue  string `json:"queue"`
	Offset int    `json:"offset"`
}

type delivery struct {
	Receipt  string  `json:"receipt"`
	Offset   int     `json:"offset"`
	Attempt  int     `json:"attempt"`
	Deadline float64 `json:"deadline"`
}

// record is a line of the log: a delivery of the message, or that it was acked.
type record struct {
	Queue string `json:"queue"`
	Acked bool   `json:"acked"`
	delivery
}

type store struct {
	sync, failed bool
	file         *os.File
	ends         map[string]int
	newest       map[key]delivery
	acked        map[key]bool
	where        map[string]key
}

func now() float64 { return float64(time.Now().UnixNano()) / 1e9 }

// open reads the log up to its last whole line, and cuts off what a crash left of the next one.
func open(directory string, sync bool) (*store, error) {
	path := filepath.Join(directory, "log")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	s := &store{sync, false, file, map[string]int{}, map[key]delivery{}, map[key]bool{}, map[string]key{}}
	found, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	whole := found[:bytes.LastIndexByte(found, '\n')+1]
	if err := file.Truncate(int64(len(whole))); err != nil {
		return nil, err
	}
	for _, line := range bytes.Split(bytes.TrimSuffix(whole, []byte("\n")), []byte("\n")) {
		if len(line) == 0 {
			continue
		}
		var r record
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, err
		}
		s.put(r)
	}
	if !sync {
		return s, nil
	}
	folder, err := os.Open(directory)
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	return s, errors.Join(file.Sync(), folder.Sync())
}

func (s *store) put(r record) {
	k := key{r.Queue, r.Offset}
	if r.Acked {
		s.acked[k] = true
		return
	}
	s.newest[k], s.where[r.Receipt] = r.delivery, k
}

// save logs first, and then knows. After an error nobody knows what the disk holds: nothing more is answered until it
// is read again.
func (s *store) save(records []record) error {
	if s.failed {
		return errors.New("a write or a sync has failed: open the store again")
	}
	var lines bytes.Buffer
	for _, r := range records {
		line, err := json.Marshal(r)
		if err != nil {
			return err
		}
		lines.Write(append(line, '\n'))
	}
	_, err := s.file.Write(lines.Bytes())
	if err == nil && s.sync {
		err = s.file.Sync()
	}
	if s.failed = err != nil; s.failed {
		return err
	}
	for _, r := range records {
		s.put(r)
	}
	return nil
}

func (s *store) pop(queue string, count int, invisible float64) ([]delivery, error) {
	given, records := []delivery{}, []record{}
	for offset := 0; offset < s.ends[queue] && len(given) < count; offset++ {
		k := key{queue, offset}
		if s.acked[k] || s.newest[k].Deadline > now() {
			continue
		}
		name := make([]byte, 16)
		if _, err := rand.Read(name); err != nil {
			return nil, err
		}
		d := delivery{hex.EncodeToString(name), offset, s.newest[k].Attempt + 1, now() + invisible}
		given, records = append(given, d), append(records, record{queue, false, d})
	}
	if len(given) == 0 {
		return given, nil
	}
	return given, s.save(records)
}

func (s *store) ack(receipt string) (string, error) {
	k, known := s.where[receipt]
	switch {
	case !known:
		return "INVALID", nil
	case s.acked[k]:
		return "SETTLED", nil
	case s.newest[k].Receipt != receipt || s.newest[k].Deadline <= now():
		return "EXPIRED", nil
	}
	return "OK", s.save([]record{{k.Queue, true, delivery{Offset: k.Offset}}})
}

func (s *store) state() string {
	if s.failed {
		return "FAILED"
	}
	return "OK"
}

type request struct {
	ID        int      `json:"id"`
	Op        string   `json:"op"`
	Queue     string   `json:"queue"`
	End       int      `json:"end"`
	Count     int      `json:"count"`
	Invisible float64  `json:"invisible"`
	Receipt   string   `json:"receipt"`
	Receipts  []string `json:"receipts"`
}

func (s *store) answer(q request) (any, error) {
	switch q.Op {
	case "open":
		return nil, nil
	case "publish":
		s.ends[q.Queue] = max(q.End, s.ends[q.Queue])
		return nil, nil
	case "pop":
		return s.pop(q.Queue, q.Count, q.Invisible)
	case "ack":
		return s.ack(q.Receipt)
	case "ack_many":
		replies := []string{}
		for _, receipt := range q.Receipts {
			reply, err := s.ack(receipt)
			if err != nil {
				return nil, err
			}
			replies = append(replies, reply)
		}
		return replies, nil
	case "flush":
		return s.state(), nil
	case "stats":
		return map[string]any{}, nil
	case "close":
		s.file.Close()
		return s.state(), nil
	}
	return nil, fmt.Errorf("no operation %q", q.Op)
}

// The protocol: a JSON object a line, in and out (specs/protocol.md).
func main() {
	s, err := open(os.Args[2], os.Args[1] == "synced")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	in, out := bufio.NewScanner(os.Stdin), json.NewEncoder(os.Stdout)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var q request
		if err := json.Unmarshal(in.Bytes(), &q); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		reply := map[string]any{"id": q.ID}
		if result, err := s.answer(q); err != nil {
			reply["error"] = map[string]string{"type": "OSError", "message": err.Error()}
		} else {
			reply["result"] = result
		}
		out.Encode(reply)
	}
}
