//go:build go1.24

package main

import "runtime"

func init() { ways["cleanups"] = func(o *object) { runtime.AddCleanup(o, release, o.c) } }
