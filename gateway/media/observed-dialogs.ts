import type Srf from 'drachtio-srf';

/**
 * The SIP side as drachtio-fsmrf gets it. fsmrf ends the dialog of an endpoint that it gave up (no event socket within
 * four seconds) without looking at the outcome; when the SIP server is gone by then, that is a rejection which nobody
 * handles. Whoever does wait for `destroy` is still told.
 */
export function withObservedDialogs(srf: Srf): Srf {
  const observed = Object.create(srf) as { createUAC(uri: string, options: Srf.CreateUACOptions): Promise<Srf.Dialog> };
  observed.createUAC = async (uri, options) => {
    const dialog = await srf.createUAC(uri, options);
    const destroy = dialog.destroy.bind(dialog) as (...given: unknown[]) => unknown;
    (dialog as unknown as { destroy: typeof destroy }).destroy = (...given) => {
      const ended = destroy(...given);
      if (ended instanceof Promise) ended.catch(() => undefined);
      return ended;
    };
    return dialog;
  };
  return observed as unknown as Srf;
}
