import tseslint from 'typescript-eslint';

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', 'var/', 'coverage/'] },
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/consistent-type-imports': 'error',
      'no-console': 'error',
      'no-new': 'error',
      eqeqeq: 'error',
    },
  },
  // Arrows between the rooms run one way (docs/architecture.md): each room may import only what stands below it.
  ...[
    ['config', ['core-bridge', 'ivr', 'gateway', 'test']],
    ['ivr', ['core-bridge', 'gateway', 'test']],
    ['core-bridge', ['ivr', 'gateway', 'test']],
    ['gateway', ['test']],
    ['gateway/sign-in', ['ivr', 'call', 'desk', 'screen', 'test']],
    ['gateway/engines', ['config', 'core-bridge', 'ivr', 'test']],
  ].map(([room, forbidden]) => ({
    files: [`${room}/**/*.ts`],
    rules: {
      'no-restricted-imports': ['error', { patterns: forbidden.map((f) => ({ group: [`**/${f}/**`], message: `${room}/ must not import from ${f}/` })) }],
    },
  })),
  { files: ['**/cli.ts', '**/*-cli.ts', 'test/bench/**', 'gateway/demo/**', 'gateway/phone/**'], rules: { 'no-console': 'off' } },
  { files: ['test/**/*.ts'], rules: { '@typescript-eslint/require-await': 'off' } },
);
