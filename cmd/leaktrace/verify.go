package main

import (
	"context"
	"os"
	"time"
)

const (
	// verifyEvery is how often goroutines are verified, if that is asked for: a target may
	// end at any time. If it takes long it is done less often, as a look at processes is.
	verifyEvery = 2 * time.Second
	// lastPatience bounds how long the user waits for the last one.
	lastPatience = 2 * time.Second
)

// verification goes on beside the session. It is zero if there is none.
type verification struct {
	cancel context.CancelFunc
	done   <-chan struct{} // closed when it has ended
	cpu    time.Duration   // that leaktrace had used when it began
}

// verifyTimer fires when goroutines are to be verified for the first time, and never if
// they are not.
func (s *session) verifyTimer() *time.Timer {
	t := time.NewTimer(verifyEvery)
	if !s.options.verify {
		t.Stop()
	}
	return t
}

// verify begins to verify goroutines.
func (s *session) verify() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	s.verification = verification{cancel, done, ownCPU()}
	go func() {
		defer close(done)
		s.tracer.VerifyGoroutines(ctx)
	}()
}

// verified takes over what was found, and says how long not to look again.
func (s *session) verified() (time.Duration, error) {
	used := ownCPU() - s.verification.cpu
	s.stopVerifying()
	return max(verifyEvery, inspectShare*used), s.sample()
}

// stopVerifying ends the verification that goes on. What it has found until then stays.
func (s *session) stopVerifying() {
	if s.verification.done != nil {
		s.verification.cancel()
		<-s.verification.done
		s.verification = verification{}
	}
}

// verifyLast waits for the verification that goes on, or another one, until the user has
// waited for long enough, or says so.
func (s *session) verifyLast(signals <-chan os.Signal) error {
	if s.verification.done == nil {
		s.verify()
	}
	enough := time.After(lastPatience)
	for over := false; !over; {
		select {
		case <-s.verification.done:
			over = true
		case <-enough:
			over = true
		case <-s.tracer.Exited():
			over = true
		case received := <-signals:
			s.command.pass(received)
			over = ends(received)
		}
	}
	s.stopVerifying()
	return s.sample()
}
