// What an agent chose for this browser. Nothing of a caller, ever.

export function pref(name, otherwise) {
  try {
    return localStorage.getItem(name) ?? otherwise;
  } catch {
    // Storage can be switched off; then every visit begins with what is usual.
    return otherwise;
  }
}

export function keepPref(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // As above.
  }
}
