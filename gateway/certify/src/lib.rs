//! The prefecture's certificate authority, the municipalities' below it, and the certificates that these mint.
