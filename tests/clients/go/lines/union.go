package lines

import (
	"context"
	"fmt"
	"sync"
)

// Union is what the members of a group have read, each record once: after a rebalance the one that
// goes on may read again what the other had not committed.
type Union struct {
	mutex   sync.Mutex
	seen    map[[2]int64]bool
	records []Record
	want    int
	full    context.CancelFunc
}

// NewUnion makes one that is full with so many records. The context ends then, or with ctx.
func NewUnion(ctx context.Context, want int) (context.Context, *Union) {
	until, full := context.WithCancel(ctx)
	return until, &Union{seen: map[[2]int64]bool{}, want: want, full: full}
}

// Add takes a record. Once it is full it takes no more, and says so.
func (u *Union) Add(record Record) bool {
	u.mutex.Lock()
	defer u.mutex.Unlock()
	if len(u.records) >= u.want {
		return false
	}
	place := [2]int64{int64(record.Partition), record.Offset}
	if !u.seen[place] {
		u.seen[place] = true
		u.records = append(u.records, record)
	}
	if len(u.records) >= u.want {
		u.full()
	}
	return true
}

// Print writes what was read, or says how much is missing.
func (u *Union) Print() error {
	u.mutex.Lock()
	defer u.mutex.Unlock()
	if len(u.records) < u.want {
		return fmt.Errorf("%d of %d records", len(u.records), u.want)
	}
	return Print(u.records)
}
