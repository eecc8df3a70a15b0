package tracer

import "testing"

// TestGoing has objects be read while their process ends, or calls exec: what it holds then
// is a part of what it held. Where an image is not known that is no exec.
func TestGoing(t *testing.T) {
	traced := map[int]uint64{1: 0x1000, 2: 0x1000, 3: 0x1000, 4: 0, 5: 0x1000, 7: 0x1000}
	var alive []ProcessActivity
	for pid, image := range map[int]uint64{2: 0x1000, 3: 0x2000, 4: 0x2000, 5: 0, 6: 0x2000} {
		alive = append(alive, ProcessActivity{Process: Process{PID: pid}, Image: image})
	}
	alive = append(alive, ProcessActivity{Process: Process{PID: 7}, Image: 0x1000, Replacing: true})
	b := &builder{going: newGoing(traced, alive)}
	const ended, replaced, replacing = 1, 3, 7
	for pid := 1; pid <= 7; pid++ {
		owner := Process{PID: pid}
		for _, o := range []Object{
			{Kind: Thread, Owner: owner}, {Kind: UnjoinedThread, Owner: owner},
			{Kind: Zombie, Zombie: &ZombieInfo{Reaper: owner}},
			{Kind: CloseWait, Socket: &SocketInfo{Holders: []Holder{{Process: owner}}}},
		} {
			want := pid == ended || (pid == replaced || pid == replacing) && o.Kind != Zombie && o.Kind != CloseWait
			if got := b.isGoing(&o); got != want {
				t.Errorf("%s of process %d: going %t, want %t", o.Kind, pid, got, want)
			}
		}
	}
	both := Object{Kind: CloseWait, Socket: &SocketInfo{Holders: []Holder{{Process: Process{PID: ended}}, {Process: Process{PID: 2}}}}}
	if b.isGoing(&both) {
		t.Error("a socket goes that another process holds too")
	}
}
