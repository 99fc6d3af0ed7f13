// Package lines is how the tests speak with the programs that drive a client: one JSON object per
// line in either direction; bytes are hexadecimal, so that null, empty and arbitrary bytes differ.
package lines

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

// Record is one line of input (without offset) or output.
type Record struct {
	Topic     string   `json:"topic,omitempty"`
	Partition int32    `json:"partition"`
	Offset    int64    `json:"offset"`
	Timestamp int64    `json:"timestamp"`
	Key       Bytes    `json:"key"`
	Value     Bytes    `json:"value"`
	Headers   []Header `json:"headers"`
}

// Header is one of a record's.
type Header struct {
	Name  string `json:"name"`
	Value Bytes  `json:"value"`
}

// Bytes are null where they are nil.
type Bytes []byte

// MarshalJSON gives null or a string of hexadecimal digits.
func (b Bytes) MarshalJSON() ([]byte, error) {
	if b == nil {
		return []byte("null"), nil
	}
	return json.Marshal(hex.EncodeToString(b))
}

// UnmarshalJSON is the reverse of MarshalJSON.
func (b *Bytes) UnmarshalJSON(text []byte) error {
	var digits *string
	if err := json.Unmarshal(text, &digits); err != nil || digits == nil {
		*b = nil
		return err
	}
	bytes, err := hex.DecodeString(*digits)
	*b = bytes
	return err
}

// Ends is where a partition starts and ends.
type Ends struct {
	Partition int32 `json:"partition"`
	Start     int64 `json:"start"`
	End       int64 `json:"end"`
}

// Found is the first record that is not older than a timestamp; nil where there is none.
type Found struct {
	Partition int32  `json:"partition"`
	Timestamp int64  `json:"timestamp"`
	Offset    *int64 `json:"offset"`
}

// Read reads standard input to its end.
func Read() ([]Record, error) {
	var records []Record
	in := json.NewDecoder(bufio.NewReader(os.Stdin))
	for {
		var record Record
		if err := in.Decode(&record); err == io.EOF {
			return records, nil
		} else if err != nil {
			return nil, err
		}
		records = append(records, record)
	}
}

// Print writes values to standard output, a line each.
func Print[T any](values []T) error {
	out := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(out)
	for _, value := range values {
		if err := encoder.Encode(value); err != nil {
			return err
		}
	}
	return out.Flush()
}

// Addresses is the flag for `HOST:PORT,HOST:PORT`.
type Addresses []string

func (a *Addresses) String() string { return strings.Join(*a, ",") }

// Set takes all of them.
func (a *Addresses) Set(text string) error {
	*a = strings.Split(text, ",")
	return nil
}

// Pairs is the flag for `PARTITION:NUMBER`, which may be repeated.
type Pairs []Pair

// Pair is an offset, or a timestamp, in a partition.
type Pair struct {
	Partition int32
	Number    int64
}

func (p *Pairs) String() string { return fmt.Sprint(*p) }

// Set takes one more.
func (p *Pairs) Set(text string) error {
	var pair Pair
	if _, err := fmt.Sscanf(text, "%d:%d", &pair.Partition, &pair.Number); err != nil {
		return err
	}
	*p = append(*p, pair)
	return nil
}
