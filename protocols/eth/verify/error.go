package verify

import "fmt"

// Field is what is wrong with an answer.
type Field string

// The fields that an Error names.
const (
	FieldCount        Field = "number of items"
	FieldEncoding     Field = "encoding"
	FieldSize         Field = "size in bytes"
	FieldNumber       Field = "number"
	FieldHash         Field = "hash"
	FieldParent       Field = "parent hash"
	FieldDifficulty   Field = "difficulty"
	FieldBaseFee      Field = "base fee"
	FieldGasUsed      Field = "gas used"
	FieldTransactions Field = "transactions root"
	FieldUncles       Field = "uncle hash"
	FieldWithdrawals  Field = "withdrawals root"
	FieldReceipts     Field = "receipts root"
	FieldAccessList   Field = "block access list hash"
	FieldTxCount      Field = "number of transactions"
	FieldReceiptCount Field = "number of receipts"
	FieldLogs         Field = "size of logs in bytes"
	FieldIncomplete   Field = "flag for incomplete receipts"
	FieldParts        Field = "number of answers for the receipts of a block"
)

// Error says what is wrong with an answer. A remote whose answer has one lies, or is broken.
type Error struct {
	Field Field
	Item  int     // index in the answer, -1: the answer as a whole
	Block *uint64 // number of the block that the item should belong to, nil: none
	Got   any
	Want  any   // nil: Got says it all
	Err   error // of a decoder, or nil
}

func (e *Error) Error() string {
	where := ""
	if e.Item >= 0 {
		where = fmt.Sprintf("item %d: ", e.Item)
	}
	if e.Block != nil {
		where += fmt.Sprintf("block %d: ", *e.Block)
	}
	switch {
	case e.Err != nil:
		return fmt.Sprintf("%s%s: %v", where, e.Field, e.Err)
	case e.Want == nil:
		return fmt.Sprintf("%s%s: %v", where, e.Field, e.Got)
	}
	return fmt.Sprintf("%s%s: %v, want %v", where, e.Field, e.Got, e.Want)
}

func (e *Error) Unwrap() error { return e.Err }

// whole returns an error of an answer as a whole.
func whole(f Field, got, want any) *Error { return &Error{Field: f, Item: -1, Got: got, Want: want} }

// at sets the place of an error.
func (e *Error) at(item int, h *Header) *Error {
	if e.Item = item; h != nil {
		e.Block = &h.Number
	}
	return e
}
