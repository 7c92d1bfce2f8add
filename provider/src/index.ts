/** An OpenID provider with Alice and Bob, for laptops and tests; never for production. */
export {}
