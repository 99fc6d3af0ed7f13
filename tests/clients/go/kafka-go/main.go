// Command kafka-go lets the tests drive segmentio's kafka-go, which has no idempotent producer.
package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"holdfast.io/tests/clients/go/lines"
)

func main() {
	lines.Main("kafka-go", map[string]lines.Command{
		"produce": produce,
		"consume": consume,
		"offsets": offsets,
		"admin":   admin,
		"alter":   alter,
	})
}

// sent is what a message is remembered by until it is acknowledged.
type sent struct {
	index     int
	partition int
}

func writer(options *lines.Options) (*kafka.Writer, error) {
	codecs := map[string]kafka.Compression{
		"default": 0,
		"none":    0,
		"gzip":    kafka.Gzip,
		"snappy":  kafka.Snappy,
		"lz4":     kafka.Lz4,
		"zstd":    kafka.Zstd,
	}
	levels := map[string]kafka.RequiredAcks{"all": kafka.RequireAll, "leader": kafka.RequireOne, "none": kafka.RequireNone}
	codec, ok := codecs[options.Codec]
	if !ok {
		return nil, fmt.Errorf("unknown codec %q", options.Codec)
	}
	acks, ok := levels[options.Acks]
	if !ok {
		return nil, fmt.Errorf("unknown acks %q", options.Acks)
	}
	if options.Idempotent {
		return nil, errors.New("kafka-go has no idempotent producer")
	}
	return &kafka.Writer{
		Addr:                   kafka.TCP(options.Brokers...),
		Topic:                  options.Topic,
		Compression:            codec,
		RequiredAcks:           acks,
		BatchTimeout:           20 * time.Millisecond,
		AllowAutoTopicCreation: true,
		Balancer: kafka.BalancerFunc(func(message kafka.Message, _ ...int) int {
			return message.WriterData.(sent).partition
		}),
	}, nil
}

// produce sends what it reads and prints each record as the broker acknowledged it, in input order.
func produce(ctx context.Context, options *lines.Options) error {
	writer, err := writer(options)
	if err != nil {
		return err
	}
	records, err := lines.Read()
	if err != nil {
		return err
	}
	var acknowledged sync.Mutex
	writer.Completion = func(messages []kafka.Message, err error) {
		acknowledged.Lock()
		defer acknowledged.Unlock()
		for _, message := range messages {
			record := &records[message.WriterData.(sent).index]
			record.Partition = int32(message.Partition)
			record.Offset = message.Offset
			record.Timestamp = message.Time.UnixMilli()
		}
	}
	var messages []kafka.Message
	for i, record := range records {
		message := kafka.Message{
			Time:       time.UnixMilli(record.Timestamp),
			Key:        record.Key,
			Value:      record.Value,
			WriterData: sent{i, int(record.Partition)},
		}
		for _, header := range record.Headers {
			message.Headers = append(message.Headers, kafka.Header{Key: header.Name, Value: header.Value})
		}
		messages = append(messages, message)
	}
	// A topic is created by the first look for it, and then the client does not wait for it.
	err = writer.WriteMessages(ctx, messages...)
	for errors.Is(err, kafka.UnknownTopicOrPartition) && ctx.Err() == nil {
		err = writer.WriteMessages(ctx, messages...)
	}
	if err := errors.Join(err, writer.Close()); err != nil {
		return err
	}
	return lines.Print(records)
}

// consume reads without a group until it has as many records as it is asked for.
func consume(ctx context.Context, options *lines.Options) error {
	from := options.From
	if from == nil {
		connection, err := kafka.DialContext(ctx, "tcp", options.Brokers[0])
		if err != nil {
			return err
		}
		defer connection.Close()
		partitions, err := connection.ReadPartitions(options.Topic)
		if err != nil {
			return err
		}
		for _, partition := range partitions {
			from = append(from, lines.Pair{Partition: int32(partition.ID), Number: kafka.FirstOffset})
		}
	}
	messages, failures := make(chan kafka.Message), make(chan error, len(from))
	for _, start := range from {
		reader := kafka.NewReader(kafka.ReaderConfig{
			Brokers:   options.Brokers,
			Topic:     options.Topic,
			Partition: int(start.Partition),
			MaxWait:   500 * time.Millisecond,
		})
		defer reader.Close()
		if err := reader.SetOffset(start.Number); err != nil {
			return err
		}
		go func() {
			for {
				message, err := reader.ReadMessage(ctx)
				if err != nil {
					failures <- err
					return
				}
				select {
				case messages <- message:
				case <-ctx.Done():
					return
				}
			}
		}()
	}
	var records []lines.Record
	for len(records) < options.Count {
		select {
		case message := <-messages:
			records = append(records, record(message))
		case err := <-failures:
			return fmt.Errorf("after %d of %d records: %w", len(records), options.Count, err)
		}
	}
	return lines.Print(records)
}

func record(message kafka.Message) lines.Record {
	record := lines.Record{
		Topic:     message.Topic,
		Partition: int32(message.Partition),
		Offset:    message.Offset,
		Timestamp: message.Time.UnixMilli(),
		Key:       message.Key,
		Value:     message.Value,
		Headers:   []lines.Header{},
	}
	for _, header := range message.Headers {
		record.Headers = append(record.Headers, lines.Header{Name: header.Key, Value: header.Value})
	}
	return record
}

// offsets prints where each partition starts and ends, then what it finds at timestamps.
func offsets(ctx context.Context, options *lines.Options) error {
	client := &kafka.Client{Addr: kafka.TCP(options.Brokers...)}
	metadata, err := client.Metadata(ctx, &kafka.MetadataRequest{Topics: []string{options.Topic}})
	if err != nil {
		return err
	}
	var asked []kafka.OffsetRequest
	for _, partition := range metadata.Topics[0].Partitions {
		asked = append(asked, kafka.FirstOffsetOf(partition.ID), kafka.LastOffsetOf(partition.ID))
	}
	listed, err := list(ctx, client, options.Topic, asked)
	if err != nil {
		return err
	}
	var ends []lines.Ends
	for _, partition := range listed {
		ends = append(ends, lines.Ends{Partition: int32(partition.Partition), Start: partition.FirstOffset, End: partition.LastOffset})
	}
	if err := lines.Print(ends); err != nil {
		return err
	}
	var found []lines.Found
	for _, at := range options.At {
		// One at a time, since its answer does not say which time an offset was found for.
		listed, err := list(ctx, client, options.Topic, []kafka.OffsetRequest{
			kafka.TimeOffsetOf(int(at.Partition), time.UnixMilli(at.Number)),
		})
		if err != nil {
			return err
		}
		line := lines.Found{Partition: at.Partition, Timestamp: at.Number}
		for offset := range listed[0].Offsets {
			if offset >= 0 {
				line.Offset = &offset
			}
		}
		found = append(found, line)
	}
	return lines.Print(found)
}

func list(ctx context.Context, client *kafka.Client, topic string, asked []kafka.OffsetRequest) ([]kafka.PartitionOffsets, error) {
	listed, err := client.ListOffsets(ctx, &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{topic: asked},
	})
	if err != nil {
		return nil, err
	}
	for _, partition := range listed.Topics[topic] {
		if partition.Error != nil {
			return nil, partition.Error
		}
	}
	return listed.Topics[topic], nil
}
