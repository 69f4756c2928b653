// What a page looks like, as plain data: made alike by the server, which writes it as HTML, and by the browser, which
// changes the page into it (patch.js).

/**
 * @param attributes those that are undefined, null or false are left out; true stands for an empty value. `key` tells
 *   brothers apart that may come, go and change places.
 */
export function h(tag, attributes = {}, ...children) {
  const kept = Object.entries(attributes).filter(([, value]) => value !== undefined && value !== null && value !== false).map(([name, value]) => [name, value === true ? '' : String(value)]);
  return { tag, attributes: Object.fromEntries(kept), children: joined(children.flat(Infinity)) };
}

/** Texts beside each other are one text in a page. */
function joined(children) {
  const made = [];
  for (const child of children) {
    if (child === undefined || child === null || child === false || child === '') continue;
    const last = made.at(-1);
    if (typeof child === 'object') made.push(child);
    else if (typeof last === 'string') made[made.length - 1] = last + String(child);
    else made.push(String(child));
  }
  return made;
}
