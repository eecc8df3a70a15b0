package dwarf

// row is the state of the line machine.
type row struct {
	addr, file uint64
	op         uint64 // index in a VLIW bundle
	line       int64
}

// Opcodes of the line program (DWARF 5, section 6.2.5).
const (
	lnsCopy           = 1
	lnsAdvancePC      = 2
	lnsAdvanceLine    = 3
	lnsSetFile        = 4
	lnsConstAddPC     = 8
	lnsFixedAdvancePC = 9
	lneEndSequence    = 1
	lneSetAddress     = 2
)

// machine runs a line program until it has passed pc.
type machine struct {
	h  *lineHeader
	pc uint64

	row
	prev     row
	havePrev bool
	found    bool
}

// find returns the row that covers pc.
func (h *lineHeader) find(pc uint64) (row, bool) {
	m := &machine{h: h, pc: pc}
	m.reset()
	for c := (&cursor{b: h.program.b, off: h.program.off}); c.more() && !m.found; {
		m.step(c)
	}
	return m.prev, m.found
}

func (m *machine) reset() {
	m.row, m.havePrev = row{file: 1, line: 1}, false
}

// emit compares pc with the row before, which ends where the new one starts.
func (m *machine) emit() {
	if m.havePrev && !discarded(m.prev.addr) && m.prev.addr <= m.pc && m.pc < m.addr {
		m.found = true
		return
	}
	m.prev, m.havePrev = m.row, true
}

// advance moves the address by a number of operations.
func (m *machine) advance(n uint64) {
	ops := m.op + n
	m.addr += uint64(m.h.minInst) * (ops / uint64(m.h.maxOps))
	m.op = ops % uint64(m.h.maxOps)
}

func (m *machine) step(c *cursor) {
	opcode := c.u8()
	if opcode >= m.h.opcodeBase {
		n := opcode - m.h.opcodeBase
		m.advance(uint64(n / m.h.lineRange))
		m.line += int64(m.h.lineBase) + int64(n%m.h.lineRange)
		m.emit()
		return
	}
	switch opcode {
	case 0:
		m.extended(c)
	case lnsCopy:
		m.emit()
	case lnsAdvancePC:
		m.advance(c.uleb())
	case lnsAdvanceLine:
		m.line += c.sleb()
	case lnsSetFile:
		m.file = c.uleb()
	case lnsConstAddPC:
		m.advance(uint64((255 - m.h.opcodeBase) / m.h.lineRange))
	case lnsFixedAdvancePC:
		m.addr += uint64(c.u16())
		m.op = 0
	default:
		for range m.h.opLengths[opcode-1] {
			c.uleb()
		}
	}
}

func (m *machine) extended(c *cursor) {
	b := c.take(c.uleb())
	if len(b) == 0 {
		return
	}
	switch b[0] {
	case lneEndSequence:
		m.emit()
		if !m.found {
			m.reset()
		}
	case lneSetAddress:
		m.addr, m.op = (&cursor{b: b[1:]}).u64(), 0
	}
}
