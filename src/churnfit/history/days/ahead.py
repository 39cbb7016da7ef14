"""Memory asked for before it is needed: a loop that jumps about in a large array then does not wait for it."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = ["fetch"]

_ADDRESS, _NUMBER = ir.IntType(8).as_pointer(), ir.IntType(32)
_TO_READ, _KEPT_NEAR, _DATA = _NUMBER(0), _NUMBER(3), _NUMBER(1)


@intrinsic
def fetch(typing_context, array, row):  # type: ignore[no-untyped-def]
    """Ask for the beginning of a `row` >= 0 of an array, in a compiled loop; nothing is read."""

    def asked(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        array_type, row_type = signature.args
        found = context.make_array(array_type)(context, builder, arguments[0])
        strides = cgutils.unpack_tuple(builder, found.strides, array_type.ndim)  # type: ignore[no-untyped-call]
        byte = builder.mul(context.cast(builder, arguments[1], row_type, types.intp), strides[0])
        address = builder.gep(builder.bitcast(found.data, _ADDRESS), [byte])
        wanted = ir.FunctionType(ir.VoidType(), [_ADDRESS, _NUMBER, _NUMBER, _NUMBER])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [_ADDRESS], wanted)
        builder.call(prefetch, [address, _TO_READ, _KEPT_NEAR, _DATA])
        return context.get_dummy_value()

    return types.void(array, row), asked
