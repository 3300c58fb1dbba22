// An adapter between ackcheck and your store, in Go. Each place marked YOURS is to be filled in.
//
// As it stands it is a small store of its own, on one log file, which keeps level DISK. Try it first:
//
//	go build && ackcheck run --faults process -- ./adapter {dir}
//
// It is killed with SIGKILL at any moment, and started again on the same directory.
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

type message struct {
	Queue  string `json:"queue"`
	Offset int    `json:"offset"`
}

// delivery is what a pop returns of each message. A receipt names one delivery, and no other, for ever.
type delivery struct {
	Receipt  string  `json:"receipt"`
	Offset   int     `json:"offset"`
	Attempt  int     `json:"attempt"`
	Deadline float64 `json:"deadline"`
}

type store struct {
	ends  map[string]int
	hands map[message]delivery // the newest delivery of each message
	where map[string]message   // by receipt
	acked map[message]bool
	log   *os.File
}

func now() float64 { return float64(time.Now().UnixNano()) / 1e9 }

// YOURS 1 of 7: open or recover your store in this directory. The result may say what it offers; nil for nothing.
func (s *store) open(directory string) (any, error) {
	path := filepath.Join(directory, "log")
	found, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	whole := 0
	for _, line := range bytes.SplitAfter(found, []byte("\n")) {
		var r record
		if !bytes.HasSuffix(line, []byte("\n")) || json.Unmarshal(line, &r) != nil {
			break
		}
		s.know(r)
		whole += len(line)
	}
	if s.log, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
		return nil, err
	}
	folder, err := os.Open(directory)
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	// The messages themselves live elsewhere, and are told again after every open. If yours keeps them, leave publish
	// out; if it notices what rots on its disk, damage.
	promises := map[string]string{"publish": "republished", "damage": "unnoticed"}
	offer := map[string]any{"offers": []string{}, "promises": promises}
	// Cut off what a crash left: half a line, or pages of zeros before whole lines.
	return offer, errors.Join(s.log.Truncate(int64(whole)), s.log.Sync(), folder.Sync())
}

// YOURS 2 of 7: the queue holds the messages 0 to end - 1. It is told again after every open.
func (s *store) publish(queue string, end int) error {
	s.ends[queue] = max(end, s.ends[queue])
	return nil
}

// YOURS 3 of 7: hand out up to count messages, and hide each for so many seconds.
func (s *store) pop(queue string, count int, invisible float64) ([]delivery, error) {
	given, records := []delivery{}, []record{}
	for offset := 0; offset < s.ends[queue] && len(given) < count; offset++ {
		m := message{queue, offset}
		if s.acked[m] || s.hands[m].Deadline > now() {
			continue
		}
		d := delivery{random(), offset, s.hands[m].Attempt + 1, now() + invisible}
		given, records = append(given, d), append(records, record{Queue: queue, delivery: d})
	}
	s.save(records)
	return given, nil
}

// YOURS 4 of 7: settle the delivery that this receipt names.
func (s *store) ack(receipt string) (string, error) {
	m, known := s.where[receipt]
	switch {
	case !known:
		return "INVALID", nil
	case s.acked[m]:
		return "SETTLED", nil
	case s.hands[m].Receipt != receipt || s.hands[m].Deadline <= now():
		return "EXPIRED", nil
	}
	s.save([]record{{Queue: m.Queue, Acked: true, delivery: delivery{Offset: m.Offset}}})
	return "OK", nil
}

// YOURS 5 of 7: OK once everything that was answered before survives power loss. Here it always does.
func (s *store) flush() (string, error) { return "OK", nil }

// YOURS 6 of 7: {"queues": {queue: {"committed": offset, "persisted": offset}}}, if you have consumer offsets.
func (s *store) stats() (any, error) { return map[string]any{}, nil }

// YOURS 7 of 7: finish what is under way. OK says that what was answered before survives power loss.
func (s *store) close() (string, error) { return "OK", s.log.Close() }

// --- the store as it stands: yours takes the place of all up to the protocol ------------------------------------------

// record is a line of the log: a delivery of the message, or that it was acked.
type record struct {
	Queue string `json:"queue"`
	Acked bool   `json:"acked,omitempty"`
	delivery
}

// save writes, syncs, and only then knows. After an error nobody knows what the disk holds: the process ends.
func (s *store) save(records []record) {
	var lines bytes.Buffer
	for _, r := range records {
		line, _ := json.Marshal(r)
		lines.Write(append(line, '\n'))
	}
	if _, err := s.log.Write(lines.Bytes()); err != nil {
		fail(err)
	}
	if err := s.log.Sync(); err != nil {
		fail(err)
	}
	for _, r := range records {
		s.know(r)
	}
}

func (s *store) know(r record) {
	m := message{r.Queue, r.Offset}
	if r.Acked {
		s.acked[m] = true
		return
	}
	s.hands[m], s.where[r.Receipt] = r.delivery, m
}

func random() string {
	name := make([]byte, 16)
	if _, err := rand.Read(name); err != nil {
		fail(err)
	}
	return hex.EncodeToString(name)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// --- the protocol: a JSON object a line, in and out. Nothing here needs a change ---------------------------------------

type request struct {
	ID        int      `json:"id"`
	Op        string   `json:"op"`
	Directory string   `json:"directory"`
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
		return s.open(q.Directory)
	case "publish":
		return nil, s.publish(q.Queue, q.End)
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
		return s.flush()
	case "stats":
		return s.stats()
	case "close":
		return s.close()
	}
	return nil, fmt.Errorf("no operation %q", q.Op)
}

func main() {
	s := &store{ends: map[string]int{}, hands: map[message]delivery{}, where: map[string]message{}, acked: map[message]bool{}}
	in, out := bufio.NewScanner(os.Stdin), json.NewEncoder(os.Stdout)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var q request
		if err := json.Unmarshal(in.Bytes(), &q); err != nil {
			fail(err)
		}
		reply := map[string]any{"id": q.ID}
		if result, err := s.answer(q); err != nil {
			reply["error"] = map[string]string{"type": "Error", "message": err.Error()}
		} else {
			reply["result"] = result
		}
		if err := out.Encode(reply); err != nil {
			fail(err)
		}
	}
}
