export const words: Readonly<Record<'nl' | 'en', Readonly<Record<'title' | 'still' | 'again' | 'refreshing' | 'stopRefreshing', string>>>>;
