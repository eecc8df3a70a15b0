//go:build cgo

package main

// #include <unistd.h>
// static void wait_in_c(void) { pause(); }
import "C"

func inC() { C.wait_in_c() }
