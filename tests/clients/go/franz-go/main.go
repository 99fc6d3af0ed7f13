// Command franz-go lets the tests drive franz-go with its default features.
package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"holdfast.io/tests/clients/go/lines"
)

func main() {
	lines.Main("franz-go", map[string]lines.Command{
		"produce": produce,
		"consume": consume,
		"group":   group,
		"offsets": offsets,
		"admin":   admin,
		"alter":   alter,
	})
}

func producerOptions(options *lines.Options) ([]kgo.Opt, error) {
	codecs := map[string]kgo.CompressionCodec{
		"none":   kgo.NoCompression(),
		"gzip":   kgo.GzipCompression(),
		"snappy": kgo.SnappyCompression(),
		"lz4":    kgo.Lz4Compression(),
		"zstd":   kgo.ZstdCompression(),
	}
	levels := map[string]kgo.Acks{"all": kgo.AllISRAcks(), "leader": kgo.LeaderAck(), "none": kgo.NoAck()}
	var opts []kgo.Opt
	if options.Codec != "default" {
		codec, ok := codecs[options.Codec]
		if !ok {
			return nil, fmt.Errorf("unknown codec %q", options.Codec)
		}
		opts = append(opts, kgo.ProducerBatchCompression(codec))
	}
	level, ok := levels[options.Acks]
	if !ok {
		return nil, fmt.Errorf("unknown acks %q", options.Acks)
	}
	opts = append(opts, kgo.RequiredAcks(level))
	if !options.Idempotent {
		opts = append(opts, kgo.DisableIdempotentWrite())
	}
	return opts, nil
}

// produce sends what it reads and prints each record as the broker acknowledged it, in input order.
func produce(ctx context.Context, options *lines.Options) error {
	opts, err := producerOptions(options)
	if err != nil {
		return err
	}
	client, err := kgo.NewClient(append(opts,
		kgo.SeedBrokers(options.Brokers...),
		kgo.DefaultProduceTopic(options.Topic),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.AllowAutoTopicCreation(),
		kgo.ProducerLinger(5*time.Millisecond),
	)...)
	if err != nil {
		return err
	}
	defer client.Close()

	input, err := lines.Read()
	if err != nil {
		return err
	}
	var records []*kgo.Record
	for _, line := range input {
		record := &kgo.Record{
			Partition: line.Partition,
			Timestamp: time.UnixMilli(line.Timestamp),
			Key:       line.Key,
			Value:     line.Value,
		}
		for _, header := range line.Headers {
			record.Headers = append(record.Headers, kgo.RecordHeader{Key: header.Name, Value: header.Value})
		}
		records = append(records, record)
	}
	if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return err
	}
	return print(records)
}

// consume reads without a group until it has as many records as it is asked for.
func consume(ctx context.Context, options *lines.Options) error {
	opts := []kgo.Opt{
		kgo.SeedBrokers(options.Brokers...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	}
	if options.Regex {
		opts = append(opts, kgo.ConsumeRegex())
	}
	if options.From == nil {
		opts = append(opts, kgo.ConsumeTopics(options.Topic))
	} else {
		starts := map[int32]kgo.Offset{}
		for _, from := range options.From {
			starts[from.Partition] = kgo.NewOffset().At(from.Number)
		}
		opts = append(opts, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{options.Topic: starts}))
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return err
	}
	defer client.Close()

	var records []*kgo.Record
	for len(records) < options.Count {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return fmt.Errorf("after %d of %d records: %w", len(records), options.Count, err)
		}
		records = append(records, fetches.Records()...)
	}
	return print(records)
}

// group reads as the members of a group until they have as many records as it is asked for, and
// commits what was read.
func group(ctx context.Context, options *lines.Options) error {
	until, union := lines.NewUnion(ctx, options.Count)
	results := make(chan error)
	for range options.Members {
		go func() { results <- member(ctx, until, union, options) }()
	}
	var failed []error
	for range options.Members {
		failed = append(failed, <-results)
	}
	if err := errors.Join(failed...); err != nil {
		return err
	}
	return union.Print()
}

func member(ctx, until context.Context, union *lines.Union, options *lines.Options) error {
	inherited := context.Background()
	if options.Protocol == "consumer" {
		// How the client is told to use the protocol of KIP-848 as long as it does not by itself.
		inherited = context.WithValue(inherited, "opt_in_kafka_next_gen_balancer_beta", true)
	}
	client, err := kgo.NewClient(
		kgo.WithContext(inherited),
		kgo.SeedBrokers(options.Brokers...),
		kgo.ConsumeTopics(options.Topic),
		kgo.ConsumerGroup(options.Group),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),
	)
	if err != nil {
		return err
	}
	defer client.Close()

	for until.Err() == nil {
		fetches := client.PollRecords(until, 10)
		if err := fetches.Err0(); err != nil && until.Err() == nil {
			return err
		}
		var read []*kgo.Record
		for _, record := range fetches.Records() {
			if union.Add(line(record)) {
				read = append(read, record)
			}
		}
		// Of a partition that somebody else has by now it is refused, and read again there.
		if err := client.CommitRecords(ctx, read...); err != nil && ctx.Err() != nil {
			return err
		}
	}
	return nil
}

// offsets prints where each partition starts and ends, then what it finds at timestamps.
func offsets(ctx context.Context, options *lines.Options) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(options.Brokers...))
	if err != nil {
		return err
	}
	defer client.Close()
	adm := kadm.NewClient(client)

	starts, err := adm.ListStartOffsets(ctx, options.Topic)
	if err != nil {
		return err
	}
	ends, err := adm.ListEndOffsets(ctx, options.Topic)
	if err != nil {
		return err
	}
	var all []lines.Ends
	for _, start := range starts.Offsets().Sorted() {
		end, ok := ends.Lookup(options.Topic, start.Partition)
		if !ok {
			return fmt.Errorf("partition %d has no end", start.Partition)
		}
		all = append(all, lines.Ends{Partition: start.Partition, Start: start.At, End: end.Offset})
	}
	if err := lines.Print(all); err != nil {
		return err
	}
	var found []lines.Found
	for _, at := range options.At {
		listed, err := adm.ListOffsetsAfterMilli(ctx, at.Number, options.Topic)
		if err != nil {
			return err
		}
		line := lines.Found{Partition: at.Partition, Timestamp: at.Number}
		// Where there is none it gives the partition's end, without a timestamp.
		if offset, ok := listed.Lookup(options.Topic, at.Partition); ok && offset.Timestamp >= 0 {
			line.Offset = &offset.Offset
		}
		found = append(found, line)
	}
	return lines.Print(found)
}

func print(records []*kgo.Record) error {
	var output []lines.Record
	for _, record := range records {
		output = append(output, line(record))
	}
	return lines.Print(output)
}

func line(record *kgo.Record) lines.Record {
	line := lines.Record{
		Topic:     record.Topic,
		Partition: record.Partition,
		Offset:    record.Offset,
		Timestamp: record.Timestamp.UnixMilli(),
		Key:       record.Key,
		Value:     record.Value,
		Headers:   []lines.Header{},
	}
	for _, header := range record.Headers {
		line.Headers = append(line.Headers, lines.Header{Name: header.Key, Value: header.Value})
	}
	return line
}
