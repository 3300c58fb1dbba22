// The adapter of NATS JetStream: a client of a server that the suite starts, kills and starts again, and lives on.
// JSON Lines on the standard input and output (specs/protocol.md).
//
// A queue is a stream with one durable pull consumer; message n is the entry with sequence number n+1, so that what a
// fault took from the end of a stream is put again under the same number. An ack is a request (AckSync): it is answered
// once the server has taken it. The address of an ack names the delivery, and the server takes it at any time.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	waiting = 20 * time.Second // for a server that is starting
	asking  = 10 * time.Second // for an answer
	hidden  = 2 * time.Second  // the one invisible time of the consumers; profile.toml promises it
	longest = 1 << 20          // bytes of a request
)

type request struct {
	ID        int      `json:"id"`
	Op        string   `json:"op"`
	Queue     string   `json:"queue"`
	Receipt   string   `json:"receipt"`
	Receipts  []string `json:"receipts"`
	End       uint64   `json:"end"`
	Count     int      `json:"count"`
	Invisible float64  `json:"invisible"`
}

type delivery struct {
	Receipt  string  `json:"receipt"`
	Offset   uint64  `json:"offset"`
	Attempt  uint64  `json:"attempt"`
	Deadline float64 `json:"deadline"`
}

// adapter is a connection to the server that was opened last, and the queues that were ever filled.
type adapter struct {
	lock      sync.Mutex
	nc        *nats.Conn
	js        jetstream.JetStream
	streams   map[string]jetstream.Stream
	consumers map[string]jetstream.Consumer
}

func stream(queue string) string { return strings.ReplaceAll(queue, "/", "_") }

// open connects once the server is ready, and sees that every queue is there.
func (a *adapter) open() error {
	if a.nc != nil {
		a.nc.Close()
	}
	url, until := "nats://127.0.0.1:"+os.Getenv("ACKCHECK_BROKER_PORT"), time.Now().Add(waiting)
	for {
		nc, err := nats.Connect(url, nats.NoReconnect(), nats.Timeout(time.Second))
		if err == nil {
			a.nc = nc
			break
		}
		if time.Now().After(until) {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
	js, err := jetstream.New(a.nc, jetstream.WithDefaultTimeout(asking))
	if err != nil {
		return err
	}
	a.js = js
	for queue := range a.streams {
		if err := a.find(queue); err != nil {
			return fmt.Errorf("%s is there no more: %w", queue, err)
		}
	}
	return nil
}

// find makes the stream and the consumer of a queue, or finds them.
func (a *adapter) find(queue string) error {
	ctx, stop := context.WithTimeout(context.Background(), asking)
	defer stop()
	kept := jetstream.StreamConfig{
		Name: stream(queue), Subjects: []string{"queue." + stream(queue)}, Storage: jetstream.FileStorage,
	}
	st, err := a.js.CreateOrUpdateStream(ctx, kept)
	if err != nil {
		return err
	}
	reading := jetstream.ConsumerConfig{
		Durable: "group", AckPolicy: jetstream.AckExplicitPolicy, AckWait: hidden, MaxAckPending: -1,
	}
	consumer, err := st.CreateOrUpdateConsumer(ctx, reading)
	if err != nil {
		return err
	}
	a.streams[queue], a.consumers[queue] = st, consumer
	return nil
}

// publish adds what the stream has not got up to end: after a fault, what it lost too.
func (a *adapter) publish(queue string, end uint64) error {
	a.lock.Lock()
	defer a.lock.Unlock()
	if err := a.find(queue); err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(context.Background(), asking)
	defer stop()
	info, err := a.streams[queue].Info(ctx)
	if err != nil {
		return err
	}
	for number := info.State.LastSeq; number < end; number++ {
		body := []byte(strconv.FormatUint(number, 10))
		put, err := a.js.Publish(ctx, "queue."+stream(queue), body, jetstream.WithExpectLastSequence(number))
		if err != nil {
			return err
		}
		if put.Sequence != number+1 {
			return fmt.Errorf("message %d was put as %d", number, put.Sequence)
		}
	}
	return nil
}

// pop fetches what can be had at once.
func (a *adapter) pop(queue string, count int) ([]delivery, error) {
	a.lock.Lock()
	consumer := a.consumers[queue]
	a.lock.Unlock()
	given := []delivery{}
	if consumer == nil {
		return given, nil
	}
	until := float64(time.Now().Add(hidden).UnixNano()) / 1e9
	batch, err := consumer.FetchNoWait(count)
	if err != nil {
		return nil, err
	}
	for message := range batch.Messages() {
		told, err := message.Metadata()
		if err != nil {
			return nil, err
		}
		given = append(given, delivery{message.Reply(), told.Sequence.Stream - 1, told.NumDelivered, until})
	}
	return given, batch.Error()
}

func (a *adapter) ack(receipt string) (string, error) {
	if !strings.HasPrefix(receipt, "$JS.ACK.") {
		return "INVALID", nil
	}
	if _, err := a.nc.Request(receipt, []byte("+ACK"), asking); err != nil {
		return "", err
	}
	return "OK", nil
}

func (a *adapter) ackMany(receipts []string) ([]string, error) {
	replies, failed := make([]string, len(receipts)), make([]error, len(receipts))
	var all sync.WaitGroup
	for number, receipt := range receipts {
		all.Add(1)
		go func() {
			defer all.Done()
			replies[number], failed[number] = a.ack(receipt)
		}()
	}
	all.Wait()
	return replies, errors.Join(failed...)
}

func (a *adapter) do(asked request) (any, error) {
	switch asked.Op {
	case "open":
		return nil, a.open()
	case "publish":
		return nil, a.publish(asked.Queue, asked.End)
	case "pop":
		return a.pop(asked.Queue, asked.Count)
	case "ack":
		return a.ack(asked.Receipt)
	case "ack_many":
		return a.ackMany(asked.Receipts)
	case "flush":
		return "UNKNOWN", nil // there is no barrier
	case "stats":
		return map[string]any{}, nil
	case "close":
		return "UNKNOWN", nil // the suite ends the server, which says nothing of what it has saved by then
	}
	return nil, fmt.Errorf("no operation %q", asked.Op)
}

func main() {
	a := &adapter{streams: map[string]jetstream.Stream{}, consumers: map[string]jetstream.Consumer{}}
	var out sync.Mutex
	answer := func(asked request) {
		result, err := a.do(asked)
		line := map[string]any{"id": asked.ID, "result": result}
		if err != nil {
			line = map[string]any{"id": asked.ID, "error": map[string]string{"type": "NatsError", "message": err.Error()}}
		}
		encoded, _ := json.Marshal(line)
		out.Lock()
		defer out.Unlock()
		os.Stdout.Write(append(encoded, '\n'))
	}
	var underWay sync.WaitGroup
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, longest)
	for in.Scan() {
		var asked request
		if err := json.Unmarshal(in.Bytes(), &asked); err != nil {
			fmt.Fprintln(os.Stderr, "no request:", err)
			os.Exit(2)
		}
		if asked.Op == "open" || asked.Op == "close" {
			underWay.Wait()
			answer(asked)
			continue
		}
		underWay.Add(1)
		go func() {
			defer underWay.Done()
			answer(asked)
		}()
	}
}
