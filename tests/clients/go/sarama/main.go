// Command sarama lets the tests drive IBM's sarama, speaking the newest protocol it knows.
package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/IBM/sarama"
	"holdfast.io/tests/clients/go/lines"
)

func main() {
	lines.Main("sarama", map[string]lines.Command{
		"produce": produce,
		"consume": consume,
		"group":   group,
		"offsets": offsets,
		"admin":   admin,
		"alter":   alter,
	})
}

// config is the client's own, for the broker's generation; sarama otherwise speaks as to a broker
// of years ago.
func config() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	// A topic that has just been created may be refused for longer than the fraction of a second
	// that is the default, on a machine that is busy.
	config.Metadata.Retry.Max = 100
	config.Producer.Retry.Max = 100
	return config
}

func producerConfig(options *lines.Options) (*sarama.Config, error) {
	codecs := map[string]sarama.CompressionCodec{
		"default": sarama.CompressionNone,
		"none":    sarama.CompressionNone,
		"gzip":    sarama.CompressionGZIP,
		"snappy":  sarama.CompressionSnappy,
		"lz4":     sarama.CompressionLZ4,
		"zstd":    sarama.CompressionZSTD,
	}
	levels := map[string]sarama.RequiredAcks{"all": sarama.WaitForAll, "leader": sarama.WaitForLocal, "none": sarama.NoResponse}
	codec, ok := codecs[options.Codec]
	if !ok {
		return nil, fmt.Errorf("unknown codec %q", options.Codec)
	}
	acks, ok := levels[options.Acks]
	if !ok {
		return nil, fmt.Errorf("unknown acks %q", options.Acks)
	}
	config := config()
	config.Producer.Compression = codec
	config.Producer.RequiredAcks = acks
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.Return.Successes = true
	config.Producer.Return.Errors = true
	config.Producer.Flush.Frequency = 5 * time.Millisecond
	// What it promises to keep in order, it does only with one request at a time.
	config.Net.MaxOpenRequests = 1
	config.Producer.Idempotent = options.Idempotent
	return config, nil
}

// produce sends what it reads and prints each record as the broker acknowledged it, in input order.
func produce(_ context.Context, options *lines.Options) error {
	config, err := producerConfig(options)
	if err != nil {
		return err
	}
	producer, err := sarama.NewSyncProducer(options.Brokers, config)
	if err != nil {
		return err
	}
	defer producer.Close()

	records, err := lines.Read()
	if err != nil {
		return err
	}
	var messages []*sarama.ProducerMessage
	for _, record := range records {
		message := &sarama.ProducerMessage{
			Topic:     options.Topic,
			Partition: record.Partition,
			Timestamp: time.UnixMilli(record.Timestamp),
			Key:       encoder(record.Key),
			Value:     encoder(record.Value),
		}
		for _, header := range record.Headers {
			message.Headers = append(message.Headers, sarama.RecordHeader{Key: []byte(header.Name), Value: header.Value})
		}
		messages = append(messages, message)
	}
	var refused sarama.ProducerErrors
	if err := producer.SendMessages(messages); errors.As(err, &refused) {
		return fmt.Errorf("%w: %w", err, refused[0])
	} else if err != nil {
		return err
	}
	for i, message := range messages {
		records[i].Partition = message.Partition
		records[i].Offset = message.Offset
		records[i].Timestamp = message.Timestamp.UnixMilli()
	}
	return lines.Print(records)
}

// encoder is nil, and not an interface of nil bytes, where the field is null.
func encoder(bytes lines.Bytes) sarama.Encoder {
	if bytes == nil {
		return nil
	}
	return sarama.ByteEncoder(bytes)
}

// consume reads without a group until it has as many records as it is asked for.
func consume(ctx context.Context, options *lines.Options) error {
	consumer, err := sarama.NewConsumer(options.Brokers, config())
	if err != nil {
		return err
	}
	defer consumer.Close()

	from := options.From
	if from == nil {
		partitions, err := consumer.Partitions(options.Topic)
		if err != nil {
			return err
		}
		for _, partition := range partitions {
			from = append(from, lines.Pair{Partition: partition, Number: sarama.OffsetOldest})
		}
	}
	messages := make(chan *sarama.ConsumerMessage)
	for _, start := range from {
		partition, err := consumer.ConsumePartition(options.Topic, start.Partition, start.Number)
		if err != nil {
			return err
		}
		defer partition.AsyncClose()
		go func() {
			for message := range partition.Messages() {
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
		case <-ctx.Done():
			return fmt.Errorf("after %d of %d records: %w", len(records), options.Count, ctx.Err())
		}
	}
	return lines.Print(records)
}

// group reads as the members of a group until they have as many records as it is asked for, and
// commits what was read.
func group(ctx context.Context, options *lines.Options) error {
	until, union := lines.NewUnion(ctx, options.Count)
	results := make(chan error)
	for range options.Members {
		go func() { results <- member(until, union, options) }()
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

func member(until context.Context, union *lines.Union, options *lines.Options) error {
	config := config()
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	group, err := sarama.NewConsumerGroup(options.Brokers, options.Group, config)
	if err != nil {
		return err
	}
	for until.Err() == nil && err == nil {
		err = group.Consume(until, []string{options.Topic}, reader{union})
	}
	// What is marked is committed with the end of the session; closing leaves the group.
	return errors.Join(err, group.Close())
}

// reader reads a partition as long as the session lasts.
type reader struct{ union *lines.Union }

func (reader) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (reader) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (r reader) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case message, ok := <-claim.Messages():
			if !ok || !r.union.Add(record(message)) {
				return nil
			}
			session.MarkMessage(message, "")
		case <-session.Context().Done():
			return nil
		}
	}
}

func record(message *sarama.ConsumerMessage) lines.Record {
	record := lines.Record{
		Topic:     message.Topic,
		Partition: message.Partition,
		Offset:    message.Offset,
		Timestamp: message.Timestamp.UnixMilli(),
		Key:       message.Key,
		Value:     message.Value,
		Headers:   []lines.Header{},
	}
	for _, header := range message.Headers {
		record.Headers = append(record.Headers, lines.Header{Name: string(header.Key), Value: header.Value})
	}
	return record
}

// offsets prints where each partition starts and ends, then what it finds at timestamps.
func offsets(_ context.Context, options *lines.Options) error {
	client, err := sarama.NewClient(options.Brokers, config())
	if err != nil {
		return err
	}
	defer client.Close()

	partitions, err := client.Partitions(options.Topic)
	if err != nil {
		return err
	}
	var ends []lines.Ends
	for _, partition := range partitions {
		start, err := client.GetOffset(options.Topic, partition, sarama.OffsetOldest)
		if err != nil {
			return err
		}
		end, err := client.GetOffset(options.Topic, partition, sarama.OffsetNewest)
		if err != nil {
			return err
		}
		ends = append(ends, lines.Ends{Partition: partition, Start: start, End: end})
	}
	if err := lines.Print(ends); err != nil {
		return err
	}
	var found []lines.Found
	for _, at := range options.At {
		offset, err := client.GetOffset(options.Topic, at.Partition, at.Number)
		if err != nil {
			return err
		}
		line := lines.Found{Partition: at.Partition, Timestamp: at.Number}
		if offset >= 0 && offset < math.MaxInt64 {
			line.Offset = &offset
		}
		found = append(found, line)
	}
	return lines.Print(found)
}
