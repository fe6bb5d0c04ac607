package verify

import "github.com/ethereum/go-ethereum/params"

// The least gas that a transaction can be charged for. Before London a refund took up to half.
const (
	minGas          = params.TxGas
	minGasAmsterdam = 4500 // EIP-2780; go-ethereum's figure
	minGasRefund    = params.TxGas / 2
)

// maxTransactions is how many transactions a block can have by the gas that its header says it
// used.
func (h *Header) maxTransactions() uint64 {
	f := h.Fields
	switch {
	case f.BlockAccessListHash != nil:
		return f.GasUsed / minGasAmsterdam
	case f.BaseFee != nil:
		return f.GasUsed / minGas
	}
	return f.GasUsed / minGasRefund
}

// maxLogs is how many bytes the logs of a block can have, encoded: a byte of data costs 8 gas, and
// what is around it costs more.
func (h *Header) maxLogs() uint64 {
	limit := h.Fields.GasUsed / params.LogDataGas
	if h.Fields.BaseFee == nil {
		limit *= 2 // see minGasRefund
	}
	return limit
}

// mostTransactions is the highest maxTransactions of some headers.
func mostTransactions(headers []Header) (most uint64) {
	for i := range headers {
		most = max(most, headers[i].maxTransactions())
	}
	return most
}
