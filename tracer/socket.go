package tracer

import (
	"cmp"
	"encoding/binary"
	"hash/fnv"
	"io"
	"net/netip"
	"slices"
)

// States of include/net/tcp_states.h.
const (
	tcpFinWait1  = 4
	tcpFinWait2  = 5
	tcpCloseWait = 8
)

// socket is one TCP socket of a snapshot, whoever holds it.
type socket struct {
	ledgerLeakSockRecord          // of its first descriptor
	holders              []Holder // the creator's first; of a queued one the listener's
	peer                 *Holder
}

// connection is the two ends of a socket.
type connection struct{ local, remote end }

// end is an address and a port, as the kernel has them.
type end struct {
	address [16]uint8
	port    uint16 // in host byte order
	ipv6    uint8
}

func endsOf(r *ledgerLeakSockRecord) connection {
	remotePort := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, r.RemotePort))
	return connection{end{r.Local, r.LocalPort, r.Ipv6}, end{r.Remote, remotePort, r.Ipv6}}
}

// unmap makes an IPv4 address of one that is mapped into IPv6: the other end may
// be a socket of the other family.
func (e end) unmap() end {
	if address := netip.AddrFrom16(e.address); e.ipv6 != 0 && address.Is4In6() {
		v4 := address.As4()
		e.address, e.ipv6 = [16]uint8{}, 0
		copy(e.address[:], v4[:])
	}
	return e
}

func (e end) addrPort() netip.AddrPort {
	if e.ipv6 != 0 {
		return netip.AddrPortFrom(netip.AddrFrom16(e.address).Unmap(), e.port)
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(e.address[:4])), e.port)
}

// socketReader gathers the descriptors of each socket.
type socketReader struct {
	sockets []socket
	// found and queued are where in sockets one is, by its inode, and before it
	// is accepted and gets one by its ends.
	found  map[uint64]int
	queued map[connection]int
	peers  map[connection]Holder
	// queues is the length of each accept queue, by the listener's address.
	queues  map[end]uint32
	traced  func(pid int) bool
	comms   comms
	holders []Holder // to cut the next ones from
}

// readSockets reads the sockets, and the listeners of traced processes.
func (t *Tracer) readSockets(l *ledger, output io.Reader) error {
	r := &socketReader{
		sockets: make([]socket, 0, t.sockets), found: make(map[uint64]int, t.sockets),
		queued: make(map[connection]int), peers: make(map[connection]Holder), queues: make(map[end]uint32),
		traced: func(pid int) bool { return t.processes[pid] != nil },
		comms:  make(comms),
	}
	err := readRecords(output, r.add)
	t.sockets = len(r.sockets)
	l.sockets = slices.DeleteFunc(r.sockets, func(s socket) bool {
		return s.queued() && !slices.ContainsFunc(s.holders, r.holds)
	})
	for i := range l.sockets {
		r.complete(&l.sockets[i])
	}
	l.listening = make(map[uint16]bool)
	for address, length := range r.queues {
		l.listening[address.port] = true
		l.unqueued += uint64(length - min(length, queueMax))
	}
	return err
}

// complete adds to a socket what is known once all were read.
func (r *socketReader) complete(s *socket) {
	s.sortHolders()
	if s.State != tcpCloseWait || len(r.peers) == 0 {
		return
	}
	ends := endsOf(&s.ledgerLeakSockRecord)
	if peer, ok := r.peers[connection{ends.remote.unmap(), ends.local.unmap()}]; ok {
		s.peer = &peer
	}
}

// queueMax is LEAK_QUEUE_MAX in bpf/queue.bpf.h.
const queueMax = 100

func (r *socketReader) holds(h Holder) bool { return r.traced(h.PID) }

// add adds one descriptor.
func (r *socketReader) add(record *ledgerLeakSockRecord) {
	holder := Holder{
		Process: Process{PID: int(record.HolderTgid), Start: record.HolderStart, Comm: r.comms.of(record.HolderComm)},
		FD:      int(record.Fd),
	}
	switch record.Role {
	case ledgerLeakSockRoleLEAK_SOCK_LISTENER:
		if r.holds(holder) {
			r.queues[endsOf(record).local.unmap()] = record.Unread
		}
	case ledgerLeakSockRoleLEAK_SOCK_QUEUED:
		addSocket(r, r.queued, endsOf(record), record, holder)
	case ledgerLeakSockRoleLEAK_SOCK_HELD:
		r.addPeer(record, holder)
		addSocket(r, r.found, record.Inode, record, holder)
	case ledgerLeakSockRoleLEAK_SOCK_PEER:
		r.addPeer(record, holder)
	}
}

// addPeer notes who has sent a FIN: nobody else can be at the other end of
// CLOSE_WAIT.
func (r *socketReader) addPeer(record *ledgerLeakSockRecord, holder Holder) {
	if record.State == tcpFinWait1 || record.State == tcpFinWait2 {
		ends := endsOf(record)
		r.peers[connection{ends.local.unmap(), ends.remote.unmap()}] = holder
	}
}

// addSocket adds a holder of a socket, and the socket if it is the first.
func addSocket[K comparable](r *socketReader, known map[K]int, key K, record *ledgerLeakSockRecord, holder Holder) {
	if i, ok := known[key]; ok {
		r.sockets[i].holders = append(r.sockets[i].holders, holder)
		return
	}
	known[key] = len(r.sockets)
	r.sockets = append(r.sockets, socket{ledgerLeakSockRecord: *record, holders: r.only(holder)})
}

// holderChunk is how many holders are allocated at once.
const holderChunk = 64

// only is a list of one holder: most sockets have one only.
func (r *socketReader) only(holder Holder) []Holder {
	if len(r.holders) == 0 {
		r.holders = make([]Holder, holderChunk)
	}
	list := r.holders[:1:1]
	r.holders = r.holders[1:]
	list[0] = holder
	return list
}

// sortHolders puts the creator first: whom a reader expects to close it.
func (s *socket) sortHolders() {
	if len(s.holders) == 1 {
		return
	}
	rank := func(h Holder) int {
		if h.Start == s.Birth.CreatorStart && h.PID == int(s.Birth.CreatorTgid) {
			return 0
		}
		return 1
	}
	slices.SortFunc(s.holders, func(a, b Holder) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.PID, b.PID), cmp.Compare(a.FD, b.FD))
	})
	// Once the main thread has ended the kernel lists each thread's files.
	s.holders = slices.Compact(s.holders)
}

// queued tells a connection that nobody has accepted.
func (s *socket) queued() bool { return s.Role == ledgerLeakSockRoleLEAK_SOCK_QUEUED }

// id is what an Object names the socket by: its inode, and before accept gives
// it one something as good.
func (s *socket) id() uint64 {
	if s.Inode != 0 {
		return s.Inode
	}
	hash := fnv.New64a()
	_ = binary.Write(hash, binary.NativeEndian, []uint16{s.LocalPort, s.RemotePort})
	_, _ = hash.Write(s.Local[:])
	_, _ = hash.Write(s.Remote[:])
	return hash.Sum64() >> 1 // an int's worth
}

// addSockets adds the sockets in CLOSE_WAIT.
func (b *builder) addSockets(sockets []socket) {
	for i := range sockets {
		if s := &sockets[i]; s.State == tcpCloseWait {
			b.addSocket(s)
		}
	}
}

func (b *builder) addSocket(s *socket) {
	o := b.object(CloseWait, &s.Birth, s.CloseWait)
	if s.Birth.Created == 0 || (s.CloseWait == 0 && s.Birth.BeforeTracing == 0) {
		// Never used by its owner, or given to it by another process.
		o.Since = b.firstSeen(seenKey{CloseWait, s.id()})
	}
	if s.Birth.Created == 0 {
		o.Created = o.Since
	}
	o.ID, o.Socket = int(s.id()), b.socketInfo(s)
	b.outstanding(b.origin(s, o.Socket), s.Birth.Stack, &o)
}

// socketInfo is what is known of a socket: what the snapshot before has of it, if
// that is the same.
func (b *builder) socketInfo(s *socket) *SocketInfo {
	now := b.newSocketInfo(s)
	known := b.tracer.infos[s.id()]
	if known == nil || !known.same(&now) {
		fresh := now
		// Beside them lie those of other sockets, which may be closed sooner.
		fresh.Holders, fresh.Listeners = slices.Clone(now.Holders), slices.Clone(now.Listeners)
		known = &fresh
	}
	b.infos[s.id()] = known
	return known
}

func (b *builder) newSocketInfo(s *socket) SocketInfo {
	ends := endsOf(&s.ledgerLeakSockRecord)
	info := SocketInfo{
		Local: ends.local.addrPort(), Remote: ends.remote.addrPort(),
		Accepted: s.Accepted != 0,
		Unread:   int(s.Unread),
		EOFRead:  s.EofRead != 0,
		Peer:     s.peer,
		Creation: b.tracer.stacks.find(s.Birth.Stack),
		LastUse:  b.tracer.stacks.find(s.UseStack),
	}
	if s.queued() {
		info.Listeners = s.holders
	} else {
		info.Holders = s.holders
	}
	if s.Used != 0 {
		info.LastUsed = b.clock.time(s.Used)
	}
	info.served = info.Accepted || b.listening[s.LocalPort]
	return info
}

// same tells whether nothing has changed.
func (s *SocketInfo) same(now *SocketInfo) bool {
	return s.Local == now.Local && s.Remote == now.Remote && s.Accepted == now.Accepted && s.served == now.served &&
		s.Unread == now.Unread && s.EOFRead == now.EOFRead && s.LastUsed.Equal(now.LastUsed) &&
		s.Creation == now.Creation && s.LastUse == now.LastUse &&
		slices.Equal(s.Holders, now.Holders) && slices.Equal(s.Listeners, now.Listeners) &&
		(s.Peer == now.Peer || s.Peer != nil && now.Peer != nil && *s.Peer == *now.Peer)
}
