// Package verify checks answers of remotes against the requests and headers that they answer to.
//
// Each function takes an encoded list as it came. Its items are counted before there is memory for
// them, so that an answer costs little more than its bytes, whatever is in it. An empty answer, and
// one that has less than was asked for, is no fault. What is wrong is an [*Error], which names the
// field.
//
// Bodies, receipts and access lists come out as a [Part], which only this package makes: whatever
// has one needs no second check. Parts and headers do not share memory with the answer.
package verify
