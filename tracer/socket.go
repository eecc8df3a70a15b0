package tracer

import (
	"cmp"
	"encoding/binary"
	"hash/fnv"
	"io"
	"net/netip"
	"slices"
)

// tcpCloseWait is TCP_CLOSE_WAIT of include/net/tcp_states.h.
const tcpCloseWait = 8

// socket is one TCP socket of a snapshot, whoever holds it.
type socket struct {
	ledgerLeakSockRecord          // of its first descriptor
	holders              []Holder // the creator's first; of a queued one the listener's
	peer                 *Holder
}

// connection is the two addresses of a socket.
type connection struct{ local, remote netip.AddrPort }

// socketKey tells sockets apart. One that was not accepted yet has no inode.
type socketKey struct {
	inode uint64
	connection
}

// socketReader gathers the descriptors of each socket.
type socketReader struct {
	order []socketKey
	found map[socketKey]*socket
	peers map[connection]Holder
	// queues is the length of each accept queue, by the listener's address.
	queues map[netip.AddrPort]uint32
	traced func(pid int) bool
}

// readSockets reads the sockets, and the listeners of traced processes.
func (t *Tracer) readSockets(l *ledger, output io.Reader) error {
	r := &socketReader{
		found: make(map[socketKey]*socket), peers: make(map[connection]Holder),
		queues: make(map[netip.AddrPort]uint32),
		traced: func(pid int) bool { return t.processes[pid] != nil },
	}
	err := readRecords(output, r.add)
	for _, key := range r.order {
		if s := r.found[key]; !s.queued() || slices.ContainsFunc(s.holders, r.holds) {
			s.sortHolders()
			if peer, ok := r.peers[connection{key.remote, key.local}]; ok {
				s.peer = &peer
			}
			l.sockets = append(l.sockets, *s)
		}
	}
	l.listening = make(map[uint16]bool)
	for address, length := range r.queues {
		l.listening[address.Port()] = true
		l.unqueued += uint64(length - min(length, queueMax))
	}
	return err
}

// queueMax is LEAK_QUEUE_MAX in bpf/queue.bpf.h.
const queueMax = 100

func (r *socketReader) holds(h Holder) bool { return r.traced(h.PID) }

// add adds one descriptor.
func (r *socketReader) add(record *ledgerLeakSockRecord) {
	ends, holder := addresses(record), holderOf(record)
	switch record.Role {
	case ledgerLeakSockRoleLEAK_SOCK_LISTENER:
		if r.holds(holder) {
			r.queues[ends.local] = record.Unread
		}
		return
	case ledgerLeakSockRoleLEAK_SOCK_PEER:
		r.peers[ends] = holder
		return
	case ledgerLeakSockRoleLEAK_SOCK_HELD:
		r.peers[ends] = holder
	}
	key := socketKey{record.Inode, ends}
	if r.found[key] == nil {
		r.found[key] = &socket{ledgerLeakSockRecord: *record}
		r.order = append(r.order, key)
	}
	r.found[key].holders = append(r.found[key].holders, holder)
}

func holderOf(r *ledgerLeakSockRecord) Holder {
	return Holder{
		Process: Process{PID: int(r.HolderTgid), Start: r.HolderStart, Comm: comm(r.HolderComm)},
		FD:      int(r.Fd),
	}
}

// sortHolders puts the creator first: whom a reader expects to close it.
func (s *socket) sortHolders() {
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

// addresses returns both ends of a connection.
func addresses(r *ledgerLeakSockRecord) connection {
	remotePort := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, r.RemotePort))
	if r.Ipv6 != 0 {
		return connection{
			netip.AddrPortFrom(netip.AddrFrom16(r.Local).Unmap(), r.LocalPort),
			netip.AddrPortFrom(netip.AddrFrom16(r.Remote).Unmap(), remotePort),
		}
	}
	return connection{
		netip.AddrPortFrom(netip.AddrFrom4([4]byte(r.Local[:4])), r.LocalPort),
		netip.AddrPortFrom(netip.AddrFrom4([4]byte(r.Remote[:4])), remotePort),
	}
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
	b.outstanding(b.origin(s, o.Socket), o)
}

func (b *builder) socketInfo(s *socket) *SocketInfo {
	ends := addresses(&s.ledgerLeakSockRecord)
	info := &SocketInfo{
		Local: ends.local, Remote: ends.remote,
		Accepted: s.Accepted != 0,
		Unread:   int(s.Unread),
		EOFRead:  s.EofRead != 0,
		Peer:     s.peer,
		Creation: b.tracer.stacks.get(s.Birth.Stack),
		LastUse:  b.tracer.stacks.get(s.UseStack),
	}
	if s.queued() {
		info.Listeners = s.holders
	} else {
		info.Holders = s.holders
	}
	if s.Used != 0 {
		info.LastUsed = b.clock.time(s.Used)
	}
	info.group = socketGroup(info, info.Accepted || b.listening[s.LocalPort])
	return info
}
