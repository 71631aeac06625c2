package wire

import "unicode"

// Emoji of Unicode 15 (emoji-data.txt). Some are shown in color by themselves;
// the others need a variation selector behind them, and are plain text symbols
// without one. Letters of flags, skin tones and the bases of keycaps are in
// neither table.

var colorEmoji = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x231A, 0x231B, 1},
		{0x23E9, 0x23EC, 1},
		{0x23F0, 0x23F3, 3},
		{0x25FD, 0x25FE, 1},
		{0x2614, 0x2615, 1},
		{0x2648, 0x2653, 1},
		{0x267F, 0x2693, 20},
		{0x26A1, 0x26AA, 9},
		{0x26AB, 0x26BD, 18},
		{0x26BE, 0x26C4, 6},
		{0x26C5, 0x26CE, 9},
		{0x26D4, 0x26EA, 22},
		{0x26F2, 0x26F3, 1},
		{0x26F5, 0x26FA, 5},
		{0x26FD, 0x2705, 8},
		{0x270A, 0x270B, 1},
		{0x2728, 0x274C, 36},
		{0x274E, 0x2753, 5},
		{0x2754, 0x2755, 1},
		{0x2757, 0x2795, 62},
		{0x2796, 0x2797, 1},
		{0x27B0, 0x27BF, 15},
		{0x2B1B, 0x2B1C, 1},
		{0x2B50, 0x2B55, 5},
	},
	R32: []unicode.Range32{
		{0x1F004, 0x1F0CF, 203},
		{0x1F18E, 0x1F191, 3},
		{0x1F192, 0x1F19A, 1},
		{0x1F201, 0x1F21A, 25},
		{0x1F22F, 0x1F232, 3},
		{0x1F233, 0x1F236, 1},
		{0x1F238, 0x1F23A, 1},
		{0x1F250, 0x1F251, 1},
		{0x1F300, 0x1F320, 1},
		{0x1F32D, 0x1F335, 1},
		{0x1F337, 0x1F37C, 1},
		{0x1F37E, 0x1F393, 1},
		{0x1F3A0, 0x1F3CA, 1},
		{0x1F3CF, 0x1F3D3, 1},
		{0x1F3E0, 0x1F3F0, 1},
		{0x1F3F4, 0x1F3F8, 4},
		{0x1F3F9, 0x1F3FA, 1},
		{0x1F400, 0x1F43E, 1},
		{0x1F440, 0x1F442, 2},
		{0x1F443, 0x1F4FC, 1},
		{0x1F4FF, 0x1F53D, 1},
		{0x1F54B, 0x1F54E, 1},
		{0x1F550, 0x1F567, 1},
		{0x1F57A, 0x1F595, 27},
		{0x1F596, 0x1F5A4, 14},
		{0x1F5FB, 0x1F64F, 1},
		{0x1F680, 0x1F6C5, 1},
		{0x1F6CC, 0x1F6D0, 4},
		{0x1F6D1, 0x1F6D2, 1},
		{0x1F6D5, 0x1F6D7, 1},
		{0x1F6DC, 0x1F6DF, 1},
		{0x1F6EB, 0x1F6EC, 1},
		{0x1F6F4, 0x1F6FC, 1},
		{0x1F7E0, 0x1F7EB, 1},
		{0x1F7F0, 0x1F90C, 284},
		{0x1F90D, 0x1F93A, 1},
		{0x1F93C, 0x1F945, 1},
		{0x1F947, 0x1F9FF, 1},
		{0x1FA70, 0x1FA7C, 1},
		{0x1FA80, 0x1FA88, 1},
		{0x1FA90, 0x1FABD, 1},
		{0x1FABF, 0x1FAC5, 1},
		{0x1FACE, 0x1FADB, 1},
		{0x1FAE0, 0x1FAE8, 1},
		{0x1FAF0, 0x1FAF8, 1},
	},
}

var textEmoji = &unicode.RangeTable{
	R16: []unicode.Range16{
		{0x00A9, 0x00AE, 5},
		{0x203C, 0x2049, 13},
		{0x2122, 0x2139, 23},
		{0x2194, 0x2199, 1},
		{0x21A9, 0x21AA, 1},
		{0x2328, 0x23CF, 167},
		{0x23ED, 0x23EF, 1},
		{0x23F1, 0x23F2, 1},
		{0x23F8, 0x23FA, 1},
		{0x24C2, 0x25AA, 232},
		{0x25AB, 0x25B6, 11},
		{0x25C0, 0x25FB, 59},
		{0x25FC, 0x2600, 4},
		{0x2601, 0x2604, 1},
		{0x260E, 0x2611, 3},
		{0x2618, 0x261D, 5},
		{0x2620, 0x2622, 2},
		{0x2623, 0x2626, 3},
		{0x262A, 0x262E, 4},
		{0x262F, 0x2638, 9},
		{0x2639, 0x263A, 1},
		{0x2640, 0x2642, 2},
		{0x265F, 0x2660, 1},
		{0x2663, 0x2665, 2},
		{0x2666, 0x2668, 2},
		{0x267B, 0x267E, 3},
		{0x2692, 0x2694, 2},
		{0x2695, 0x2697, 1},
		{0x2699, 0x269B, 2},
		{0x269C, 0x26A0, 4},
		{0x26A7, 0x26B0, 9},
		{0x26B1, 0x26C8, 23},
		{0x26CF, 0x26D3, 2},
		{0x26E9, 0x26F0, 7},
		{0x26F1, 0x26F7, 3},
		{0x26F8, 0x26F9, 1},
		{0x2702, 0x2708, 6},
		{0x2709, 0x270C, 3},
		{0x270D, 0x270F, 2},
		{0x2712, 0x2716, 2},
		{0x271D, 0x2721, 4},
		{0x2733, 0x2734, 1},
		{0x2744, 0x2747, 3},
		{0x2763, 0x2764, 1},
		{0x27A1, 0x2934, 403},
		{0x2935, 0x2B05, 464},
		{0x2B06, 0x2B07, 1},
		{0x3030, 0x303D, 13},
		{0x3297, 0x3299, 2},
	},
	R32: []unicode.Range32{
		{0x1F170, 0x1F171, 1},
		{0x1F17E, 0x1F17F, 1},
		{0x1F202, 0x1F237, 53},
		{0x1F321, 0x1F324, 3},
		{0x1F325, 0x1F32C, 1},
		{0x1F336, 0x1F37D, 71},
		{0x1F396, 0x1F397, 1},
		{0x1F399, 0x1F39B, 1},
		{0x1F39E, 0x1F39F, 1},
		{0x1F3CB, 0x1F3CE, 1},
		{0x1F3D4, 0x1F3DF, 1},
		{0x1F3F3, 0x1F3F7, 2},
		{0x1F43F, 0x1F441, 2},
		{0x1F4FD, 0x1F549, 76},
		{0x1F54A, 0x1F56F, 37},
		{0x1F570, 0x1F573, 3},
		{0x1F574, 0x1F579, 1},
		{0x1F587, 0x1F58A, 3},
		{0x1F58B, 0x1F58D, 1},
		{0x1F590, 0x1F5A5, 21},
		{0x1F5A8, 0x1F5B1, 9},
		{0x1F5B2, 0x1F5BC, 10},
		{0x1F5C2, 0x1F5C4, 1},
		{0x1F5D1, 0x1F5D3, 1},
		{0x1F5DC, 0x1F5DE, 1},
		{0x1F5E1, 0x1F5E3, 2},
		{0x1F5E8, 0x1F5EF, 7},
		{0x1F5F3, 0x1F5FA, 7},
		{0x1F6CB, 0x1F6CD, 2},
		{0x1F6CE, 0x1F6CF, 1},
		{0x1F6E0, 0x1F6E5, 1},
		{0x1F6E9, 0x1F6F0, 7},
		{0x1F6F3, 0x1F6F3, 1},
	},
}

const (
	zwnj      = '\u200C' // zero width non-joiner
	zwj       = '\u200D' // zero width joiner
	emojiVS   = '\uFE0F' // the variation selector that asks for an emoji
	keycap    = '\u20E3' // combining enclosing keycap
	blackFlag = '\U0001F3F4'
)

// tagFlags are the flags that Unicode recommends of those spelled with invisible
// tag characters: England, Scotland, Wales. Others look like a black flag.
var tagFlags = [...]string{
	"\U000E0067\U000E0062\U000E0065\U000E006E\U000E0067\U000E007F",
	"\U000E0067\U000E0062\U000E0073\U000E0063\U000E0074\U000E007F",
	"\U000E0067\U000E0062\U000E0077\U000E006C\U000E0073\U000E007F",
}

func isEmoji(r rune) bool { return unicode.In(r, colorEmoji, textEmoji) }

func isSkinTone(r rune) bool { return r >= 0x1F3FB && r <= 0x1F3FF }

// emojiSequence returns the length in bytes of the sequence of two or more
// characters at the front of s that make one emoji with the help of invisible
// ones; 0 if there is none. Sequences of visible characters (the two letters of a
// flag, a skin tone) need no look.
func emojiSequence(s []byte) int {
	r, n := decode(s)
	if isKeycapBase(r) {
		vs, size := decode(s[n:])
		if end, last := decode(s[n+size:]); vs == emojiVS && end == keycap {
			return n + size + last
		}
		return 0
	}
	if r == blackFlag {
		for _, tags := range tagFlags {
			if len(s) >= n+len(tags) && string(s[n:n+len(tags)]) == tags {
				return n + len(tags)
			}
		}
	}
	end, invisible := emojiElement(s)
	if end == 0 {
		return 0
	}
	for {
		r, size := decode(s[end:])
		if r != zwj {
			break
		}
		next, _ := emojiElement(s[end+size:])
		if next == 0 {
			break
		}
		end, invisible = end+size+next, true
	}
	if !invisible {
		return 0
	}
	return end
}

// emojiElement returns the length in bytes of one emoji at the front of s, with
// its variation selector and skin tone; 0 if there is none.
func emojiElement(s []byte) (end int, selector bool) {
	r, end := decode(s)
	if !isEmoji(r) {
		return 0, false
	}
	if vs, size := decode(s[end:]); vs == emojiVS && unicode.Is(textEmoji, r) {
		end, selector = end+size, true
	}
	if tone, size := decode(s[end:]); isSkinTone(tone) {
		end += size
	}
	return end, selector
}

func isKeycapBase(r rune) bool { return r >= '0' && r <= '9' || r == '#' || r == '*' }
