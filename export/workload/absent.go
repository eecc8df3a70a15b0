package workload

import (
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
	asked chan struct{} // has one element if wanted has any

	mu     sync.Mutex
	wanted []string
	misses *cache.LRUExpireCache // miss by container id
}

type miss struct {
	wait  time.Duration
	until time.Time
}

func newAbsent() *absent {
	return &absent{asked: make(chan struct{}, 1), misses: cache.NewLRUExpireCache(most)}
}

// ask wants id to be looked for, now or after the time it waits for.
func (a *absent) ask(id string, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now.Before(a.miss(id).until) || len(a.wanted) >= most {
		return
	}
	a.wanted = append(a.wanted, id)
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

// take returns what is wanted, which is then wanted no longer.
func (a *absent) take() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	wanted := a.wanted
	a.wanted = nil
	return wanted
}

// missed notes that no runtime knew id.
func (a *absent) missed(id string, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	wait := min(max(pollEvery, 2*a.miss(id).wait), pollAgain)
	a.misses.Add(id, miss{wait, now.Add(wait)}, 2*pollAgain)
}
