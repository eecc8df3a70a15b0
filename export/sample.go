package export

import (
	"net/netip"
	"slices"
	"time"

	"github.com/leaktrace/leaktrace/tracer"
)

// maxSamples bounds the samples of a site.
const maxSamples = 10

// Sample is one outstanding object. Exactly one of the embedded structs is
// set, as the kind of its site demands.
type Sample struct {
	// Name is the comm of a child or thread, the function that a goroutine began at,
	// empty for a socket.
	Name          string  `json:"name,omitempty"`
	AgeS          float64 `json:"age_s"`
	BeforeTracing bool    `json:"before_tracing"`
	*ChildSample
	*ThreadSample
	*SocketSample
	*GoroutineSample
}

// ChildSample is a child that was not reaped. Processes that are not known are
// nil.
type ChildSample struct {
	PID      int      `json:"pid"`
	ExitCode int      `json:"exit_code"`
	Signal   int      `json:"signal"`
	ForkedBy *Process `json:"forked_by,omitempty"`
	Reaper   *Process `json:"reaper,omitempty"`
	// ReaperIsInit says that the reaper is pid 1 of its pid namespace.
	ReaperIsInit bool `json:"reaper_is_init"`
}

// ThreadSample is a thread that lives on or was not joined.
type ThreadSample struct {
	TID int `json:"tid"`
}

// GoroutineSample is a goroutine that waits.
type GoroutineSample struct {
	Goroutine int `json:"goroutine"`
	// Parent is the number of the goroutine that started it.
	Parent     int    `json:"parent"`
	WaitReason string `json:"wait_reason"`
	// Unreachable tells that nothing was found to lead to what it waits for.
	Unreachable bool `json:"unreachable,omitempty"`
}

// SocketSample is a socket that was not closed.
type SocketSample struct {
	Local   string `json:"local"`
	Remote  string `json:"remote"`
	Unread  int    `json:"unread"`
	EOFRead bool   `json:"eof_read"`
	// Holder and FD are the first of Holders, nil when there is none.
	Holder *Process `json:"holder,omitempty"`
	FD     *int     `json:"fd,omitempty"`
	// Holders is every descriptor that keeps it open.
	Holders []Holder `json:"holders,omitempty"`
	// Listeners is who could accept it, if nobody has.
	Listeners []Holder `json:"listeners,omitempty"`
	// Peer is who holds the other end, if that is on this host.
	Peer *Holder `json:"peer,omitempty"`
	// IdleS is how long nobody has read or written it, nil if nobody was seen to.
	IdleS *float64 `json:"idle_s,omitempty"`
}

// Holder is a descriptor of a process.
type Holder struct {
	Process
	FD int `json:"fd"`
}

func oldestFirst(objects []tracer.Object) []tracer.Object {
	older := func(a, b tracer.Object) int { return a.Since.Compare(b.Since) }
	if slices.IsSortedFunc(objects, older) {
		return objects
	}
	sorted := slices.Clone(objects)
	slices.SortStableFunc(sorted, older)
	return sorted
}

func newSample(o tracer.Object, taken time.Time) Sample {
	s := Sample{Name: o.Name, AgeS: seconds(age(o, taken)), BeforeTracing: o.BeforeTracing}
	switch o.Kind {
	case tracer.Zombie:
		s.ChildSample = &ChildSample{PID: o.ID, ExitCode: -1, ForkedBy: process(o.Owner)}
		if z := o.Zombie; z != nil {
			s.ExitCode, s.Signal = z.ExitCode, z.Signal
			s.Reaper, s.ReaperIsInit = process(z.Reaper), z.ReaperIsInit
		}
	case tracer.CloseWait:
		s.SocketSample = newSocketSample(o.Socket, taken)
	case tracer.Goroutine:
		s.GoroutineSample = &GoroutineSample{Goroutine: o.ID}
		if g := o.Goroutine; g != nil {
			s.Parent, s.WaitReason, s.Unreachable = g.Parent, g.Reason, g.Unreachable > 0
		}
	default:
		s.ThreadSample = &ThreadSample{TID: o.ID}
	}
	return s
}

func newSocketSample(s *tracer.SocketInfo, taken time.Time) *SocketSample {
	if s == nil {
		return &SocketSample{}
	}
	sample := &SocketSample{
		Local:   address(s.Local),
		Remote:  address(s.Remote),
		Unread:  s.Unread,
		EOFRead: s.EOFRead,
		Holders: holders(s.Holders), Listeners: holders(s.Listeners),
	}
	if len(s.Holders) > 0 {
		sample.Holder, sample.FD = process(s.Holders[0].Process), new(s.Holders[0].FD)
	}
	if s.Peer != nil {
		sample.Peer = &holders([]tracer.Holder{*s.Peer})[0]
	}
	if !s.LastUsed.IsZero() {
		sample.IdleS = new(seconds(max(0, taken.Sub(s.LastUsed))))
	}
	return sample
}

func holders(from []tracer.Holder) (to []Holder) {
	for _, h := range from {
		to = append(to, Holder{Process{h.PID, h.Comm}, h.FD})
	}
	return to
}

// address shows an IPv4 peer of an IPv6 socket the way the user knows it.
func address(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()).String()
}

// process is nil for a process that is not known.
func process(p tracer.Process) *Process {
	if p.PID == 0 {
		return nil
	}
	return &Process{p.PID, p.Comm}
}
