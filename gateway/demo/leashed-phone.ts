/** The phone of a demo agent: the test phone, which does not outlive the gateway that started it. */
process.once('disconnect', () => process.exit(0));
await import('../phone/cli.js');
// The channel to the gateway would keep this process alive after the phone was put away.
process.exit();
