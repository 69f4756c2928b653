// Changes what stands in the page into what a tree says, and touches nothing that is the same already: focus, an opened
// table, a selection and a scroll position stay.

const svgNamespace = 'http://www.w3.org/2000/svg';
/** What the reader has done, not the tree. */
const theReaders = new Set(['open']);

export function patch(parent, children) {
  const byKey = new Map();
  for (const node of parent.children) if (node.dataset.key !== undefined) byKey.set(node.dataset.key, node);
  let at = parent.firstChild;
  for (const child of children) {
    const node = typeof child === 'string' ? text(at, child) : element(parent, at, child, byKey);
    if (node !== at) parent.insertBefore(node, at);
    at = node.nextSibling;
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function text(at, wanted) {
  if (at?.nodeType !== Node.TEXT_NODE) return document.createTextNode(wanted);
  // A live region speaks on every change of its content, also to the same text.
  if (at.data !== wanted) at.data = wanted;
  return at;
}

function element(parent, at, { tag, attributes, children }, byKey) {
  const { key } = attributes;
  const there = key !== undefined ? byKey.get(key) : at?.nodeType === Node.ELEMENT_NODE && at.dataset.key === undefined ? at : undefined;
  const node = there?.localName === tag ? there : made(parent, tag);
  for (const { name } of [...node.attributes]) {
    if (!(name in attributes) && name !== 'data-key' && !theReaders.has(name)) node.removeAttribute(name);
  }
  for (const [name, value] of Object.entries(attributes)) {
    const written = name === 'key' ? 'data-key' : name;
    if (node.getAttribute(written) !== value) node.setAttribute(written, value);
  }
  patch(node, children);
  return node;
}

function made(parent, tag) {
  return tag === 'svg' || parent.namespaceURI === svgNamespace ? document.createElementNS(svgNamespace, tag) : document.createElement(tag);
}
