package lines

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"
)

// Less than the tests wait, so that a client that hangs says where.
const limit = 100 * time.Second

// Options are what the tests ask for; which of them count depends on the command.
type Options struct {
	Brokers    Addresses
	Topic      string
	Codec      string
	Acks       string
	Idempotent bool
	Regex      bool
	Count      int
	Protocol   string
	Group      string
	Members    int
	From       Pairs
	At         Pairs
}

// Command does what it is asked and fails if the broker's answers are not right.
type Command func(context.Context, *Options) error

// Main runs the command that the arguments name.
func Main(program string, commands map[string]Command) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := run(ctx, os.Args[1:], commands); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", program, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, commands map[string]Command) error {
	if len(args) == 0 {
		return fmt.Errorf("no command")
	}
	command, ok := commands[args[0]]
	if !ok {
		return fmt.Errorf("unknown command %q", args[0])
	}
	var options Options
	flags := flag.NewFlagSet(args[0], flag.ExitOnError)
	flags.Var(&options.Brokers, "brokers", "bootstrap addresses, with commas between them")
	flags.StringVar(&options.Topic, "topic", "", "topic, or with --regex a pattern of topics")
	flags.StringVar(&options.Codec, "codec", "default", "default (the client's own choice), none, gzip, snappy, lz4 or zstd")
	flags.StringVar(&options.Acks, "acks", "all", "all, leader or none; the latter two not idempotently")
	flags.BoolVar(&options.Idempotent, "idempotent", false, "produce idempotently")
	flags.BoolVar(&options.Regex, "regex", false, "consume every topic that --topic matches")
	flags.IntVar(&options.Count, "count", 0, "how many records to wait for")
	flags.StringVar(&options.Group, "group", "", "the group to consume as")
	flags.StringVar(&options.Protocol, "protocol", "classic", "the group's protocol, classic or consumer")
	flags.IntVar(&options.Members, "members", 1, "how many members of the group consume at once")
	flags.Var(&options.From, "from", "PARTITION:OFFSET to consume from; may be repeated; every partition from its start if not given")
	flags.Var(&options.At, "at", "PARTITION:TIMESTAMP to look up; may be repeated")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	return command(ctx, &options)
}

// Step is one part of a command that goes through several.
type Step struct {
	Name string
	Do   func() error
}

// Steps runs them in turn and prints their names; a failure names its step.
func Steps(steps []Step) error {
	for _, step := range steps {
		if err := step.Do(); err != nil {
			return fmt.Errorf("%s: %w", step.Name, err)
		}
		fmt.Println(step.Name)
	}
	return nil
}
