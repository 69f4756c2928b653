// The tab in which somebody signs in for a frame. It learns from the frame which one; where the two do not know each
// other, it is a sign-in like any other and the screen opens here.
const { onward } = document.getElementById('onward').dataset;
/** The frame is a page that is there already: it answers at once, or never. */
const answerWithinMs = 4000;

const goOn = (frame) => {
  clearTimeout(giveUp);
  location.replace(frame === undefined ? onward : `${onward}${onward.includes('?') ? '&' : '?'}frame=${encodeURIComponent(frame)}`);
};
const giveUp = setTimeout(goOn, window.opener ? answerWithinMs : 0);
addEventListener('message', (event) => {
  if (event.origin === location.origin && event.source === window.opener && event.data?.type === 'ticket') goOn(String(event.data.ticket));
});
window.opener?.postMessage({ type: 'ready' }, location.origin);
