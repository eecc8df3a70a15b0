package unwind

// The packed form of a rule, as bpf/unwind.h describes it.
const (
	plainFlag     = 1 << 5
	baseShift     = 8
	auxShift      = 12
	paramShift    = 16
	auxParamShift = 40
	maxRegister   = 1<<4 - 1
	maxParam      = 1<<23 - 1
)

// Pack puts a rule into 64 bits. Every rule of a Table fits.
func Pack(r Rule) uint64 {
	flags := uint64(r.Flags)
	if plain(r) {
		flags |= plainFlag
	}
	return flags | uint64(r.BaseReg)<<baseShift | uint64(r.AuxBaseReg)<<auxShift |
		uint64(uint32(r.Param)&(1<<24-1))<<paramShift | uint64(uint32(r.AuxParam))<<auxParamShift
}

// packs reports whether a rule can be packed. One that cannot has a frame of
// more than 8 MiB.
func packs(r Rule) bool {
	return r.BaseReg <= maxRegister && r.AuxBaseReg <= maxRegister &&
		-maxParam <= r.Param && r.Param <= maxParam && -maxParam <= r.AuxParam && r.AuxParam <= maxParam
}
