// What is shown of a caller is leased from the live call. The lease ends on this page's own clock too, so that nothing that
// happens to the network or the server can leave a caller on the screen.
//
// Two clocks, whichever is over first: that of performance.now() cannot be set, but stands still while some computers sleep.

let ends = null; // { monotonic, wall }
let timer = 0;
let onEnd = () => undefined;

/** @param ended called once when a lease was not renewed in time */
export function startLease(ended) {
  onEnd = ended;
  document.addEventListener('visibilitychange', checkLease);
}

/** @param forMs undefined: the call needs no renewal */
export function renewLease(forMs) {
  clearTimeout(timer);
  ends = forMs === undefined ? null : { monotonic: performance.now() + forMs, wall: Date.now() + forMs };
  if (ends) timer = setTimeout(checkLease, forMs);
}

export function endLease() {
  renewLease(undefined);
}

/** Also asked before anything is drawn: timers of a page in the background come late. */
export function checkLease() {
  if (!ends) return;
  const left = Math.min(ends.monotonic - performance.now(), ends.wall - Date.now());
  clearTimeout(timer);
  if (left > 0) {
    timer = setTimeout(checkLease, left);
    return;
  }
  ends = null;
  onEnd();
}
