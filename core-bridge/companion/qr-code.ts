import { create } from 'qrcode';
import { html, type Html } from '../html.js';

/** Light modules round the code that a camera needs to find it (ISO/IEC 18004, 6.3.8). */
const QUIET_ZONE = 4;

/**
 * A QR code as inline SVG, black on white whatever the colours of the page: some cameras do not read it the other way
 * round. Medium error correction.
 * @param label what it is, for those who do not see it
 */
export function qrCode(text: string, label: string): Html {
  const { size, data } = create(text, { errorCorrectionLevel: 'M' }).modules;
  let path = '';
  for (let y = 0; y < size; y += 1) {
    for (let x = 0; x < size; x += 1) {
      if (!data[y * size + x]) continue;
      const from = x;
      while (x < size && data[y * size + x]) x += 1;
      path += `M${from + QUIET_ZONE} ${y + QUIET_ZONE}h${x - from}v1h-${x - from}z`;
    }
  }
  const side = size + 2 * QUIET_ZONE;
  return html`<svg class="qr" role="img" aria-label="${label}" viewBox="0 0 ${side} ${side}" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h${side}v${side}h-${side}z"/><path fill="#000" d="${path}"/></svg>`;
}
