// The few things that every part of the screen does with elements.

export const $ = (id) => document.getElementById(id);

export function setText(node, text) {
  // A live region speaks on every change of its content, also to the same text.
  if (node.textContent !== text) node.textContent = text;
}

export const isDrawn = (node) => node.isConnected && node.getClientRects().length > 0;

export function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** An element whose text follows the language of the screen. Only labels and words, never a value, are kept this way. */
export function labelled(tag, className, label) {
  const made = element(tag, className, label[document.documentElement.lang] ?? label.nl);
  made.dataset.nl = label.nl;
  made.dataset.en = label.en;
  return made;
}

/** Puts what `labelled` made into this language. */
export function relabel(within, language) {
  for (const node of within.querySelectorAll('[data-nl]')) setText(node, node.dataset[language]);
}

/** A drawing that says nothing to who does not see it; what it means stands beside it. @param name of a symbol in screen.html */
export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  svg.append(document.createElementNS('http://www.w3.org/2000/svg', 'use'));
  setIcon(svg, name);
  return svg;
}

export function setIcon(svg, name) {
  const use = svg.firstElementChild;
  if (use.getAttribute('href') !== `#icon-${name}`) use.setAttribute('href', `#icon-${name}`);
}
