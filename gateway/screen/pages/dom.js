// The few things that every part of the screen does with elements.

export const $ = (id) => document.getElementById(id);

export function setText(node, text) {
  // A live region speaks on every change of its content, also to the same text.
  if (node.textContent !== text) node.textContent = text;
}

export const isDrawn = (node) => node.isConnected && node.getClientRects().length > 0;
