// Command franz-go lets the tests drive franz-go with its default features: it produces records read
// from standard input, prints what it consumes, and runs the admin calls of kadm. One JSON object per
// line in either direction; bytes are hexadecimal, so that null, empty and arbitrary bytes differ.
package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// record is one line of input (without offset) or output.
type record struct {
	Topic     string   `json:"topic,omitempty"`
	Partition int32    `json:"partition"`
	Offset    int64    `json:"offset"`
	Timestamp int64    `json:"timestamp"`
	Key       *string  `json:"key"`
	Value     *string  `json:"value"`
	Headers   []header `json:"headers"`
}

type header struct {
	Name  string  `json:"name"`
	Value *string `json:"value"`
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Second)
	defer cancel()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "franz-go:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("usage: franz-go produce|consume|admin -brokers HOST:PORT ...")
	}
	flags := flag.NewFlagSet(args[0], flag.ExitOnError)
	brokers := flags.String("brokers", "", "bootstrap address")
	topic := flags.String("topic", "", "topic, or with -regex a pattern of topics")
	switch args[0] {
	case "produce":
		codec := flags.String("codec", "default", "default (the client's own choice), none, gzip, snappy, lz4 or zstd")
		idempotent := flags.Bool("idempotent", true, "write idempotently, the client's default")
		acks := flags.String("acks", "all", "all, leader or none; the latter two not idempotently")
		flags.Parse(args[1:])
		opts, err := producerOptions(*codec, *acks, *idempotent)
		if err != nil {
			return err
		}
		return produce(ctx, *brokers, *topic, opts)
	case "consume":
		count := flags.Int("count", 0, "how many records to wait for")
		regex := flags.Bool("regex", false, "consume every topic that -topic matches")
		flags.Parse(args[1:])
		return consume(ctx, *brokers, *topic, *count, *regex)
	case "admin":
		flags.Parse(args[1:])
		return admin(ctx, *brokers, *topic)
	}
	return fmt.Errorf("unknown command %q", args[0])
}

func producerOptions(codec, acks string, idempotent bool) ([]kgo.Opt, error) {
	codecs := map[string]kgo.CompressionCodec{
		"none":   kgo.NoCompression(),
		"gzip":   kgo.GzipCompression(),
		"snappy": kgo.SnappyCompression(),
		"lz4":    kgo.Lz4Compression(),
		"zstd":   kgo.ZstdCompression(),
	}
	levels := map[string]kgo.Acks{"all": kgo.AllISRAcks(), "leader": kgo.LeaderAck(), "none": kgo.NoAck()}
	var opts []kgo.Opt
	if codec != "default" {
		c, ok := codecs[codec]
		if !ok {
			return nil, fmt.Errorf("unknown codec %q", codec)
		}
		opts = append(opts, kgo.ProducerBatchCompression(c))
	}
	level, ok := levels[acks]
	if !ok {
		return nil, fmt.Errorf("unknown acks %q", acks)
	}
	opts = append(opts, kgo.RequiredAcks(level))
	if !idempotent {
		opts = append(opts, kgo.DisableIdempotentWrite())
	}
	return opts, nil
}

// produce sends what it reads and prints each record as the broker acknowledged it, in input order.
func produce(ctx context.Context, brokers, topic string, opts []kgo.Opt) error {
	opts = append(opts,
		kgo.SeedBrokers(brokers),
		kgo.DefaultProduceTopic(topic),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.AllowAutoTopicCreation(),
		kgo.ProducerLinger(5*time.Millisecond),
	)
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return err
	}
	defer client.Close()

	var records []*kgo.Record
	in := json.NewDecoder(bufio.NewReader(os.Stdin))
	for {
		var line record
		if err := in.Decode(&line); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
		r, err := line.decode()
		if err != nil {
			return err
		}
		records = append(records, r)
	}
	if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return err
	}
	return print(records)
}

// consume reads without a group, from the start of every partition, until it has count records.
func consume(ctx context.Context, brokers, topic string, count int, regex bool) error {
	opts := []kgo.Opt{
		kgo.SeedBrokers(brokers),
		kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	}
	if regex {
		opts = append(opts, kgo.ConsumeRegex())
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return err
	}
	defer client.Close()

	var records []*kgo.Record
	for len(records) < count {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("after %d of %d records: %w", len(records), count, err)
		}
		records = append(records, fetches.Records()...)
	}
	return print(records)
}

func print(records []*kgo.Record) error {
	out := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(out)
	for _, r := range records {
		if err := encoder.Encode(encode(r)); err != nil {
			return err
		}
	}
	return out.Flush()
}

func encode(r *kgo.Record) record {
	line := record{
		Topic:     r.Topic,
		Partition: r.Partition,
		Offset:    r.Offset,
		Timestamp: r.Timestamp.UnixMilli(),
		Key:       toHex(r.Key),
		Value:     toHex(r.Value),
		Headers:   []header{},
	}
	for _, h := range r.Headers {
		line.Headers = append(line.Headers, header{h.Key, toHex(h.Value)})
	}
	return line
}

func (line *record) decode() (*kgo.Record, error) {
	key, err := fromHex(line.Key)
	if err != nil {
		return nil, err
	}
	value, err := fromHex(line.Value)
	if err != nil {
		return nil, err
	}
	r := &kgo.Record{
		Partition: line.Partition,
		Timestamp: time.UnixMilli(line.Timestamp),
		Key:       key,
		Value:     value,
	}
	for _, h := range line.Headers {
		value, err := fromHex(h.Value)
		if err != nil {
			return nil, err
		}
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Name, Value: value})
	}
	return r, nil
}

func toHex(b []byte) *string {
	if b == nil {
		return nil
	}
	s := hex.EncodeToString(b)
	return &s
}

func fromHex(s *string) ([]byte, error) {
	if s == nil {
		return nil, nil
	}
	return hex.DecodeString(*s)
}
