package tracer

import (
	"net/netip"
	"reflect"
	"testing"
	"time"
)

// A socket of which something new is known is not taken for what it was.
func TestSameSocket(t *testing.T) {
	at := time.Now()
	address := netip.MustParseAddrPort("127.0.0.1:1")
	full := func() SocketInfo {
		return SocketInfo{
			Local: address, Remote: address, Accepted: true, Unread: 1, EOFRead: true,
			Holders: []Holder{{FD: 1}}, Listeners: []Holder{{FD: 2}}, Peer: &Holder{FD: 3}, LastUsed: at,
			Creation: &Stack{}, LastUse: &Stack{}, served: true,
		}
	}
	one, other := full(), full()
	other.Creation, other.LastUse = one.Creation, one.LastUse
	if !one.same(&other) {
		t.Error("it differs from its like")
	}
	of := reflect.TypeFor[SocketInfo]()
	for i := range of.NumField() {
		changed := one
		if field := reflect.ValueOf(&changed).Elem().Field(i); field.CanSet() {
			field.SetZero()
		} else {
			changed.served = false // the only one
		}
		if one.same(&changed) || changed.same(&one) {
			t.Errorf("it is the same with another %s", of.Field(i).Name)
		}
	}
}
