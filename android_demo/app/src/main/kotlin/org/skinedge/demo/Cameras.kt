package org.skinedge.demo

import android.graphics.ImageFormat
import android.graphics.SurfaceTexture
import android.hardware.camera2.CameraAccessException
import android.hardware.camera2.CameraCharacteristics
import android.hardware.camera2.CameraManager
import android.hardware.camera2.CameraMetadata
import org.skinedge.core.FrameSize
import org.skinedge.core.nearestSize

/**
 * A camera that can be used.
 *
 * @property facesUser true on the display's side: its preview is mirrored.
 * @property sensorDegrees clockwise turn that sets its frames upright in the device's natural
 *   orientation.
 * @property frame size of preview and analysis alike, so that both show the same part of the scene.
 */
class Camera(
    val id: String,
    val facesUser: Boolean,
    val sensorDegrees: Int,
    val frame: FrameSize,
    val focusesContinuously: Boolean,
)

/**
 * The first camera of each side that delivers pictures: back, external, front.
 *
 * @throws CameraAccessException the camera service does not answer.
 */
fun CameraManager.usableCameras(): List<Camera> {
    val bySide = LinkedHashMap<Int, Camera>()
    for (id in cameraIdList) {
        val characteristics = getCameraCharacteristics(id)
        val side = characteristics[CameraCharacteristics.LENS_FACING] ?: continue
        if (side !in bySide) camera(id, characteristics)?.let { bySide[side] = it }
    }
    return listOfNotNull(
        bySide[CameraMetadata.LENS_FACING_BACK],
        bySide[CameraMetadata.LENS_FACING_EXTERNAL],
        bySide[CameraMetadata.LENS_FACING_FRONT],
    )
}

/** Null for a camera without colour pictures, such as a depth sensor. */
private fun camera(id: String, characteristics: CameraCharacteristics): Camera? {
    val capabilities = characteristics[CameraCharacteristics.REQUEST_AVAILABLE_CAPABILITIES]
    if (capabilities?.contains(CameraMetadata.REQUEST_AVAILABLE_CAPABILITIES_BACKWARD_COMPATIBLE) != true) {
        return null
    }
    val streams = characteristics[CameraCharacteristics.SCALER_STREAM_CONFIGURATION_MAP] ?: return null
    val shown = streams.getOutputSizes(SurfaceTexture::class.java).orEmpty().toSet()
    val both = streams.getOutputSizes(ImageFormat.YUV_420_888).orEmpty().filter { it in shown }
    val frame = nearestSize(both.map { FrameSize(it.width, it.height) }) ?: return null
    return Camera(
        id,
        facesUser = characteristics[CameraCharacteristics.LENS_FACING] == CameraMetadata.LENS_FACING_FRONT,
        sensorDegrees = characteristics[CameraCharacteristics.SENSOR_ORIENTATION] ?: 0,
        frame,
        focusesContinuously = characteristics[CameraCharacteristics.CONTROL_AF_AVAILABLE_MODES]
            ?.contains(CameraMetadata.CONTROL_AF_MODE_CONTINUOUS_PICTURE) == true,
    )
}
