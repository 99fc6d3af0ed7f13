// Command steady writes records at a rate with franz-go, and prints how long the slowest of them took
// to be acknowledged, in milliseconds.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	brokers := flag.String("brokers", "", "bootstrap address")
	topic := flag.String("topic", "", "topic")
	rate := flag.Int("rate", 1000, "records per second")
	seconds := flag.Int("seconds", 10, "for how long")
	warm := flag.Int("warm", 2, "seconds at the begin that do not count")
	minAge := flag.Duration("metadata-min-age", 0, "the least age at which metadata are asked for again; 0 leaves it to the client")
	timeout := flag.Duration("timeout", 0, "how long an answer to a request may take; 0 leaves it to the client")
	flag.Parse()
	opts := []kgo.Opt{kgo.SeedBrokers(strings.Split(*brokers, ",")...), kgo.DefaultProduceTopic(*topic)}
	if *minAge > 0 {
		opts = append(opts, kgo.MetadataMinAge(*minAge))
	}
	if *timeout > 0 {
		// The broker is given a half of it.
		opts = append(opts, kgo.ProduceRequestTimeout(*timeout/2), kgo.RequestTimeoutOverhead(*timeout/2))
	}
	longest, err := write(opts, *rate, *seconds, *warm)
	if err != nil {
		fmt.Fprintln(os.Stderr, "steady:", err)
		os.Exit(1)
	}
	fmt.Println(longest.Milliseconds())
}

func write(opts []kgo.Opt, rate, seconds, warm int) (time.Duration, error) {
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	var mutex sync.Mutex
	var longest time.Duration
	var failed error
	begin := time.Now()
	counts := begin.Add(time.Duration(warm) * time.Second)
	value := make([]byte, 100)
	for number := range rate * seconds {
		due := begin.Add(time.Duration(number) * time.Second / time.Duration(rate))
		time.Sleep(time.Until(due))
		client.Produce(context.Background(), &kgo.Record{Value: value}, func(_ *kgo.Record, err error) {
			mutex.Lock()
			defer mutex.Unlock()
			if err != nil && failed == nil {
				failed = err
			}
			if due.After(counts) {
				longest = max(longest, time.Since(due))
			}
		})
	}
	if err := client.Flush(context.Background()); err != nil {
		return 0, err
	}
	mutex.Lock()
	defer mutex.Unlock()
	return longest, failed
}
