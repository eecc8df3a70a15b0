package dwarf

import "fmt"

// Attribute encodings (DWARF 5, section 7.5.6, and GNU extensions).
const (
	formAddr          = 0x01
	formBlock2        = 0x03
	formBlock4        = 0x04
	formData2         = 0x05
	formData4         = 0x06
	formData8         = 0x07
	formString        = 0x08
	formBlock         = 0x09
	formBlock1        = 0x0a
	formData1         = 0x0b
	formFlag          = 0x0c
	formSdata         = 0x0d
	formStrp          = 0x0e
	formUdata         = 0x0f
	formRefAddr       = 0x10
	formRef1          = 0x11
	formRef2          = 0x12
	formRef4          = 0x13
	formRef8          = 0x14
	formRefUdata      = 0x15
	formIndirect      = 0x16
	formSecOffset     = 0x17
	formExprloc       = 0x18
	formFlagPresent   = 0x19
	formStrx          = 0x1a
	formAddrx         = 0x1b
	formRefSup4       = 0x1c
	formStrpSup       = 0x1d
	formData16        = 0x1e
	formLineStrp      = 0x1f
	formRefSig8       = 0x20
	formImplicitConst = 0x21
	formLoclistx      = 0x22
	formRnglistx      = 0x23
	formRefSup8       = 0x24
	formStrx1         = 0x25
	formStrx2         = 0x26
	formStrx3         = 0x27
	formStrx4         = 0x28
	formAddrx1        = 0x29
	formAddrx2        = 0x2a
	formAddrx3        = 0x2b
	formAddrx4        = 0x2c
	formGNUAddrIndex  = 0x1f01
	formGNUStrIndex   = 0x1f02
	formGNURefAlt     = 0x1f20
	formGNUStrpAlt    = 0x1f21
)

// value is an undecoded attribute: what its number means depends on the form.
type value struct {
	form uint16
	u    uint64
	text []byte // formString
}

func (v value) present() bool { return v.form != 0 }

// format is what the encoding of attributes depends on.
type format struct {
	version uint16
	wide    bool // 64-bit DWARF
}

// value reads, or steps over, one attribute.
func (f format) value(c *cursor, form uint16, implicit int64) value {
	v := value{form: form}
	switch form {
	case formImplicitConst:
		v.u = uint64(implicit)
	case formFlagPresent:
		v.u = 1
	case formData1, formRef1, formFlag, formStrx1, formAddrx1:
		v.u = c.uint(1)
	case formData2, formRef2, formStrx2, formAddrx2:
		v.u = c.uint(2)
	case formStrx3, formAddrx3:
		v.u = c.uint(3)
	case formData4, formRef4, formStrx4, formAddrx4, formRefSup4:
		v.u = c.uint(4)
	case formAddr, formData8, formRef8, formRefSig8, formRefSup8:
		v.u = c.u64()
	case formUdata, formRefUdata, formStrx, formAddrx, formLoclistx, formRnglistx, formGNUAddrIndex, formGNUStrIndex:
		v.u = c.uleb()
	case formSdata:
		v.u = uint64(c.sleb())
	case formString:
		v.text = c.cstring()
	case formStrp, formSecOffset, formLineStrp, formStrpSup, formGNURefAlt, formGNUStrpAlt:
		v.u = c.offset(f.wide)
	case formRefAddr:
		v.u = c.offset(f.wide || f.version == 2)
	default:
		return f.block(c, v)
	}
	return v
}

// block is value for the forms whose content is never needed.
func (f format) block(c *cursor, v value) value {
	switch v.form {
	case formBlock1:
		c.take(c.uint(1))
	case formBlock2:
		c.take(c.uint(2))
	case formBlock4:
		c.take(c.uint(4))
	case formBlock, formExprloc:
		c.take(c.uleb())
	case formData16:
		c.take(16)
	case formIndirect:
		form := uint16(c.uleb())
		if form == formIndirect || form == formImplicitConst {
			c.fail()
			return value{}
		}
		return f.value(c, form, 0)
	default:
		if c.err == nil {
			c.err = fmt.Errorf("attribute form %#x is not known", v.form)
		}
		c.fail()
	}
	return v
}
