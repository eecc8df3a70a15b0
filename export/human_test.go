package export

import "testing"

func TestHumanAge(t *testing.T) {
	for in, want := range map[float64]string{
		0: "0.0s", 0.04: "0.0s", 4.21: "4.2s", 9.94: "9.9s", 9.96: "10s", 14.4: "14s", 59.7: "1m00s",
		130: "2m10s", 3599.6: "1h00m", 11100: "3h05m", 86400: "1d00h", 187200: "2d04h",
	} {
		if got := humanAge(in); got != want {
			t.Errorf("humanAge(%v) = %q, want %q", in, got, want)
		}
	}
}

func TestHumanGrowth(t *testing.T) {
	for in, want := range map[float64]string{
		0: "0", 1: "+1.0/s", -2.25: "-2.2/s", 1234.5: "+1234/s", 99.96: "+100/s", 0.1: "+0.1/s",
		0.05: "+3.0/min", 0.0005: "+1.8/h", 0.00001: "0",
	} {
		if got := humanGrowth(in); got != want {
			t.Errorf("humanGrowth(%v) = %q, want %q", in, got, want)
		}
	}
}

func TestHumanCount(t *testing.T) {
	for in, want := range map[int]string{0: "0", 999: "999", 1204: "1,204", 1000000: "1,000,000"} {
		if got := humanCount(in); got != want {
			t.Errorf("humanCount(%d) = %q, want %q", in, got, want)
		}
	}
}

func TestShorten(t *testing.T) {
	tests := []struct {
		in    string
		width int
		want  string
	}{
		{"spawn(int, char const*)", 40, "spawn(int, char const*)"},
		{"spawn(int, char const*)", 20, "spawn()"},
		{"std::vector<std::pair<int, A<B> > >::grow(unsigned long)", 30, "std::vector<>::grow()"},
		{"(anonymous namespace)::Pool::start(int, int)", 36, "(anonymous namespace)::Pool::start()"},
		{"f((anonymous namespace)::X, int)::g", 20, "f()::g"},
		{"Server::spawn(int)::{lambda(int)#1}::operator()(int) const", 55, "Server::spawn()::{lambda()#1}::operator()() const"},
		{"Big<X, Y>::operator->(some::very::long_parameter)", 30, "Big<>::operator->()"},
		{"Big<X, Y>::operator<<(some::very::long_parameter)", 30, "Big<>::operator<<()"},
		{"main.(*Server[go.shape.int]).handle.func1.2.deeper", 25, "....handle.func1.2.deeper"},
		{"<alloc::vec::Vec<T> as core::iter::FromIterator<T>>::from_iter", 60, "<alloc::vec::Vec<> as core::iter::FromIterator<>>::from_iter"},
		{"unbalanced<(name", 10, "...d<(name"},
		{"a_function_of_forty_characters_and_no_end", 12, "...nd_no_end"},
		{"std::thread::_State_impl<std::tuple<X> >::start(int)", 21, "start()"},
		{"<Vec<T> as core::iter::FromIterator<T>>::from_iter", 20, "from_iter"},
		{"größe_größe_größe", 8, "...größe"},
	}
	for _, tt := range tests {
		if got := shorten(tt.in, tt.width); got != tt.want {
			t.Errorf("shorten(%q, %d) = %q, want %q", tt.in, tt.width, got, tt.want)
		}
	}
}
