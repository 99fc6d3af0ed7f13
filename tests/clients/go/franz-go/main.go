// Command franz-go lets the tests drive franz-go with its default features.
package main

import (
	"context"
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
		kgo.SeedBrokers(options.Brokers),
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
		kgo.SeedBrokers(options.Brokers),
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

// offsets prints where each partition starts and ends, then what it finds at timestamps.
func offsets(ctx context.Context, options *lines.Options) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(options.Brokers))
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
	for _, r := range records {
		line := lines.Record{
			Topic:     r.Topic,
			Partition: r.Partition,
			Offset:    r.Offset,
			Timestamp: r.Timestamp.UnixMilli(),
			Key:       r.Key,
			Value:     r.Value,
			Headers:   []lines.Header{},
		}
		for _, h := range r.Headers {
			line.Headers = append(line.Headers, lines.Header{Name: h.Key, Value: h.Value})
		}
		output = append(output, line)
	}
	return lines.Print(output)
}
