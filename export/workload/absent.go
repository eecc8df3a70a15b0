package workload

import (
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/cache"
)

const (
	// pollEvery is the least time between two polls of the container runtimes.
	pollEvery = 2 * time.Second
	// pollAgain is the longest time after which an id is looked for again that no
	// runtime knew.
	pollAgain = time.Minute
)

// absent are the containers that somebody asked for and nobody knows. Each is a
// reason to ask the runtimes, and each time that they do not know it, not for
// longer.
type absent struct {
	asked chan struct{} // has an element if wanted got any

	mu     sync.Mutex
	wanted map[string]bool
	misses *cache.LRUExpireCache // miss by container id
}

type miss struct {
	wait  time.Duration
	until time.Time
}

func newAbsent() *absent {
	return &absent{asked: make(chan struct{}, 1), wanted: make(map[string]bool), misses: cache.NewLRUExpireCache(most)}
}

// ask wants id to be looked for, now or after the time it waits for.
func (a *absent) ask(id string, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.wanted[id] || len(a.wanted) >= most || now.Before(a.miss(id).until) {
		return
	}
	a.wanted[id] = true
	select {
	case a.asked <- struct{}{}:
	default:
	}
}

func (a *absent) miss(id string) miss {
	m, _ := a.misses.Get(id)
	found, _ := m.(miss)
	return found
}

// all are those that are wanted, until they are settled.
func (a *absent) all() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Collect(maps.Keys(a.wanted))
}

// settle notes that id was looked for, and whether a runtime knew it.
func (a *absent) settle(id string, found bool, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.wanted, id)
	if !found {
		wait := min(max(pollEvery, 2*a.miss(id).wait), pollAgain)
		a.misses.Add(id, miss{wait, now.Add(wait)}, 2*pollAgain)
	}
}
