package org.tensorflow.lite

import org.bytedeco.javacpp.BytePointer
import org.bytedeco.javacpp.IntPointer
import org.bytedeco.javacpp.Loader
import org.bytedeco.javacpp.Pointer
import org.bytedeco.javacpp.PointerPointer
import org.bytedeco.tensorflowlite.Free_TfLiteOpaqueContext_Pointer
import org.bytedeco.tensorflowlite.Init_TfLiteOpaqueContext_BytePointer_long
import org.bytedeco.tensorflowlite.TfLiteOpaqueContext
import org.bytedeco.tensorflowlite.TfLiteOpaqueDelegateStruct
import org.bytedeco.tensorflowlite.global.tensorflowlite

/**
 * XNNPACK with its integer kernels, as the phone's library has it.
 *
 * The desktop library leaves them out of what it does by default, and TensorFlow Lite's own kernels
 * round otherwise, by twenty steps and more. It exports the functions that ask for them, but its Java
 * has no names for these: they are called through types of callbacks whose first argument is a pointer
 * too. What follows the first argument is not looked at.
 */
internal class XnnpackDelegate(threads: Int) : AutoCloseable {
    val handle: TfLiteOpaqueDelegateStruct

    init {
        Loader.loadGlobal(Loader.load(tensorflowlite::class.java))
        val options = IntPointer(*IntArray(OPTIONS_SIZE))
        options.put(0, threads)
        options.put(1, INT8)
        val create = Init_TfLiteOpaqueContext_BytePointer_long(function("TfLiteXNNPackDelegateCreate"))
        handle = TfLiteOpaqueDelegateStruct(create.call(TfLiteOpaqueContext(options), null as BytePointer?, 0))
    }

    override fun close() {
        val delete = Free_TfLiteOpaqueContext_Pointer(function("TfLiteXNNPackDelegateDelete"))
        delete.call(TfLiteOpaqueContext(handle), null)
    }

    /** JavaCPP wants the address of a place that holds the function's. */
    private fun function(name: String): Pointer = PointerPointer<Pointer>(1).put(0, Loader.addressof(name))

    private companion object {
        /** Of `TfLiteXNNPackDelegateOptions`, in ints, with room to spare: it grows from version to version. */
        const val OPTIONS_SIZE = 32

        /** `TFLITE_XNNPACK_DELEGATE_FLAG_QS8` and `..._QU8`. */
        const val INT8 = 3
    }
}
