/* Included before everything else in the suite's sources, where rlx-faults is built: calls that make and drop objects
 * go through objects.c, which counts them. */
#ifndef RLX_FAULTS_CALLS_H
#define RLX_FAULTS_CALLS_H

#define rlx_device_open fault_device_open
#define rlx_device_retain fault_device_retain
#define rlx_device_release fault_device_release
#define rlx_stream_create fault_stream_create
#define rlx_stream_release fault_stream_release
#define rlx_stream_finish fault_stream_finish
#define rlx_buffer_create fault_buffer_create
#define rlx_buffer_retain fault_buffer_retain
#define rlx_buffer_release fault_buffer_release
#define rlx_kernel_create fault_kernel_create
#define rlx_kernel_retain fault_kernel_retain
#define rlx_kernel_release fault_kernel_release
#define rlx_program_retain fault_program_retain
#define rlx_program_release fault_program_release
#define rlx_host_alloc fault_host_alloc
#define rlx_host_free fault_host_free

/* What tells of a fault. */
#define rlx_stream_submit fault_stream_submit
#define rlx_stream_wait fault_stream_wait
#define rlx_stream_submit_and_wait fault_stream_submit_and_wait
#define rlx_point_wait fault_point_wait
#define rlx_point_query fault_point_query
#define rlx_points_wait fault_points_wait

#endif
