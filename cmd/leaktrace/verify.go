package main

import "time"

// verifyEvery is how often goroutines are verified, if that is asked for: a target may end
// at any time. If it takes long it is done less often, as a look at processes is.
const verifyEvery = 2 * time.Second

// verifyTimer fires when goroutines are to be verified for the first time, and never if
// they are not.
func (s *session) verifyTimer() *time.Timer {
	t := time.NewTimer(verifyEvery)
	if !s.options.verify {
		t.Stop()
	}
	return t
}

// verify verifies goroutines, and takes over what was found.
func (s *session) verify() error {
	s.tracer.VerifyGoroutines()
	return s.sample()
}
