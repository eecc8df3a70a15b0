// Package verdict judges which sites leak. It is a pure function of the
// snapshots of a run: it reads no clock and does no I/O.
//
// # What ended
//
// Nothing legitimate keeps a zombie, a finished thread that was not joined, or
// a connection that the peer has closed. Such objects accuse their site by age:
// when they are older than min-age. There are two exceptions. Where objects
// older than that are given back after all, as by a parent that reaps once a
// minute, the limit is twice the usual time. And a socket that is still read
// or written is in use, however long ago the peer closed its side.
//
// # What lives
//
// A thread may live as long as its process, so that age accuses nobody and
// only growth does. But most services create and end threads all the time, and
// their number moves by itself. Three things are not growth:
//
//   - What is in flight. Only survivors are looked at: objects older than an
//     age that few outlive, which is at least min-age and twice the usual
//     lifetime (that of 99% of those that ended). Several ages are tried, the
//     lowest at which there is a clear answer decides.
//   - What comes and goes at random. Where births and deaths of survivors
//     balance, their difference has the variance of their sum; growth must
//     exceed four standard deviations of it, and few survivors may die.
//   - What was there before. A pool that existed when tracing began does not
//     grow by getting older.
//
// The history is cut into windows of equal length, of which only the lowest
// count matters, so that what a collector gives back in rounds is no slope.
// A site leaks when its survivors, in some stretch up to now,
//
//   - rise by the test of Mann (1945) and Kendall (1975), with Z above 3.3,
//   - by at least 8 objects, and from each quarter of the stretch to the next,
//   - hardly die (where old ones were seen to end and the usual lifetime is not
//     known, they must rise by 16),
//   - have done so for 4 times min-age and 8 windows, the older the longer, and
//   - have not stopped: the last plateau is not longer than twice any before,
//     unless the slope by Sen (1968) had not raised the count in that time.
//
// A site is suspect when it lacks some of that. A site drains when its count
// falls by the same test. Sites that do neither are steady, or unknown while
// the run is too short to tell.
//
// # What waits
//
// A goroutine counts while it waits and has not run in between: one that wakes, if
// only for a moment, is another object afterwards. So neither tickers nor the workers
// of a pool that has work grow old, and what is said of threads above holds of waits.
// Beyond that a goroutine that waits for what cannot come, as a nil channel, or was found
// to be unreachable, accuses its site by age; and where most wait for descriptors growth makes a site no more
// than suspect: they may be as many open connections.
//
// Where there are very many goroutines not every snapshot looks at them. In between
// nothing is known of them, so that nothing counts: neither does their age grow, nor is
// there one more window in which their number stays the same. Where a process ends then
// the last look is taken for one without its goroutines.
//
// # What cannot be told
//
// A service that has just begun, and whose threads live for an hour, looks the
// same as one that leaks until the first of them ends. So does a pool while it
// fills slowly, one thread after another, one that follows a load which rises
// for minutes, and what a collector gives back, in the first of its rounds. The
// verdict changes when they stop. Site.Assumed says what a verdict has taken for
// granted. In 4,000 simulated hours of 1,000 services that leak nothing and were
// warm when tracing began, sampled every second and judged every five, 15 of
// them were called leaking for a while, all in the first two and a half minutes:
// 14 whose collector had not been seen to run, and one that had just restarted.
//
// # Time
//
// Age and growth are measured in observed time. A gap between two snapshots of
// many times the usual interval counts as one interval, a clock that was set
// back as none; an object that is new in a snapshot is no older than the one
// before.
//
// Recent points of the history are one snapshot each; older ones are folded in
// pairs again and again (Datar, Gionis, Indyk and Motwani 2002), and keep their
// extremes. A leak that begins after a week is found as fast as one that was
// there at attach, and memory grows with the logarithm of time.
//
// # Processes that end
//
// What the kernel takes from a process that ends was not given back. If its
// site was leaking, the verdict is kept. So it is where a process calls exec, of what
// lies in its memory: threads, finished ones too, and goroutines.
package verdict
