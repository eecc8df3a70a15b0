package live

import (
	"charm.land/bubbles/v2/key"
)

// keyMap is what the keys do. Letters that are typed into a filter do nothing else.
type keyMap struct {
	up, down, pageUp, pageDown, top, bottom key.Binding
	open, back                              key.Binding
	sort, reverse, nextKind, lastKind, kind key.Binding
	filter, pause, write, help, quit        key.Binding
	suspend, redraw                         key.Binding
}

func binding(name, does string, keys ...string) key.Binding {
	return key.NewBinding(key.WithKeys(keys...), key.WithHelp(name, does))
}

func newKeys() keyMap {
	return keyMap{
		up:       binding("↑ k", "up", "up", "k"),
		down:     binding("↓ j", "down", "down", "j"),
		pageUp:   binding("PgUp", "a page up", "pgup"),
		pageDown: binding("PgDn", "a page down", "pgdown"),
		top:      binding("Home g", "first", "home", "g"),
		bottom:   binding("End G", "last", "end", "G"),
		open:     binding("Enter", "open", "enter"),
		back:     binding("Esc", "back", "esc", "alt+esc", "backspace"),
		sort:     binding("s", "sort", "s"),
		reverse:  binding("r S", "reverse the order", "r", "S"),
		nextKind: binding("Tab", "kind", "tab"),
		lastKind: binding("Shift-Tab", "kind before", "shift+tab"),
		kind:     binding("0-9", "only that kind", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9"),
		filter:   binding("/", "filter", "/"),
		pause:    binding("p", "pause", "p", "space"),
		write:    binding("w", "write report", "w"),
		help:     binding("?", "help", "?"),
		quit:     binding("q", "quit", "q", "ctrl+c"),
		suspend:  binding("Ctrl-Z", "suspend", "ctrl+z"),
		redraw:   binding("Ctrl-L", "draw again", "ctrl+l"),
	}
}

// listHelp and pageHelp are for the last line: what matters most comes first.
func (k keyMap) listHelp() []key.Binding {
	return []key.Binding{k.help, k.quit, k.open, k.sort, k.nextKind, k.filter, k.pause, k.write}
}

func (k keyMap) pageHelp() []key.Binding {
	return []key.Binding{k.back, k.quit, k.up, k.down, k.pause, k.write, k.help}
}

// everything is the help page, in columns.
func (k keyMap) everything() [][]key.Binding {
	return [][]key.Binding{
		{k.up, k.down, k.pageUp, k.pageDown, k.top, k.bottom},
		{k.open, k.back, k.sort, k.reverse, k.nextKind, k.lastKind, k.kind},
		{k.filter, k.pause, k.write, k.redraw, k.suspend, k.help, k.quit},
	}
}
