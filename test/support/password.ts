/**
 * An scrypt hash of "demo" at the lowest cost that a configuration may hold: the tests log in many hundred times, most of
 * them to see something else.
 */
export const demoPasswordHash = '$scrypt$ln=14,r=8,p=1$wJ2LfX//Hedaxn43xtSS6A$p8NGfs8O44k1S0V6tfyX0nYDEzNcKLMNeZSsIfFZ0bU';
