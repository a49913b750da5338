//! Tests across the whole: real servers, crashes, the API's contract, and the rules of the house. The tests are in `tests/e2e`; this library is empty.
