// `npm start`: the gateway, with the demo configuration unless --config or GATEWAY_CONFIG names another file.
process.argv.splice(2, 0, 'dist/gateway/main.js');
await import('./run.mjs');
